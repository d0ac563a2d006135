/** The system's code (`ENOSPC`, `EPERM`), or the class of what failed: a message could quote what was being written. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return 'failed';
  if ('code' in error && typeof error.code === 'string' && error.code !== '') return error.code;
  return 'name' in error && typeof error.name === 'string' ? error.name : 'failed';
}
