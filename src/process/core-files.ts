import { writeFileSync } from 'node:fs';

/**
 * Leaves all memory of this process out of core files (core(5), "Controlling which mappings are written to the core dump"). A core limit of 0 is not enough: the
 * kernel passes the memory to the program of a `core_pattern` that is a pipe, such as systemd-coredump, whatever the limit is. Child processes inherit the
 * setting. Without effect where the system has no such file.
 */
export function leaveMemoryOutOfCoreFiles(): void {
  try {
    writeFileSync('/proc/self/coredump_filter', '0');
  } catch {
    // `mayDumpCore` finds out, and the broker warns.
  }
}
