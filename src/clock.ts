/** The time, given from outside so that tests can say what it is. */
export type Clock = () => Date
