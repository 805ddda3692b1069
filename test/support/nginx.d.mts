export interface Nginx {
  /** Where it listens: the path of a Unix domain socket. */
  readonly socket: string
  /** Ends it and removes its directory. */
  stop(): Promise<void>
}

/** The program, if there is one with the auth_request module. */
export declare function findNginx(): string | undefined

/** `file` is what would stand in /etc/nginx/conf.d, with one `listen`. */
export declare function startNginx(file: string): Promise<Nginx>
