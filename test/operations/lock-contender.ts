// A process that takes the lock of the directory it is given, and keeps it.
import { DirectoryInUse, lockDirectory } from '../../src/database/directory-lock.ts'

const [, , directory = ''] = process.argv
try {
  await lockDirectory(directory)
  process.channel?.ref() // stays until the test ends
  process.send?.('taken')
} catch (error) {
  if (!(error instanceof DirectoryInUse)) throw error
  process.send?.('refused')
  process.disconnect()
}
