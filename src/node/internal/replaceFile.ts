import { constants } from "node:fs"
import type * as NodeFiles from "node:fs/promises"
import { dirname } from "node:path"
import process from "node:process"

/** What is done with files to replace one. */
export type ReplacingFiles = Pick<typeof NodeFiles, "open" | "rename" | "unlink">

/**
 * Puts a whole new file, for its owner alone, in the place of one, or leaves that as it was: writes `beside`, makes sure of
 * the disk, and renames.
 */
export const replaceFile = async (files: ReplacingFiles, path: string, beside: string, text: string): Promise<void> => {
  try {
    const handle = await files.open(beside, "wx", 0o600)
    try {
      // The umask may have taken more than it should.
      if (process.platform !== "win32") await handle.chmod(0o600)
      await handle.writeFile(text)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await files.rename(beside, path)
  } catch (error) {
    await files.unlink(beside).catch(() => undefined)
    throw error
  }
  await syncDirectory(files, dirname(path))
}

/** Makes the new name last. Windows has no such thing, and some file systems refuse it. */
const syncDirectory = async (files: ReplacingFiles, directory: string): Promise<void> => {
  if (process.platform === "win32") return
  const handle = await files.open(directory, constants.O_RDONLY)
  try {
    await handle.sync().catch(() => undefined)
  } finally {
    await handle.close()
  }
}
