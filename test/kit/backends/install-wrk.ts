import { findProgram } from './find-program.ts';
import { runCommand } from './run-command.ts';

/**
 * Ensures that `wrk`, the benchmarks' load generator, is on PATH: an installed one, or Debian's if run as root. Reports if neither works.
 */
export async function installLoadGenerator(progress: (line: string) => void): Promise<void> {
  if (findProgram('wrk') !== null) return;
  const apt = findProgram('apt-get');
  if (apt === null || process.getuid?.() !== 0) {
    progress('wrk: not on PATH; the load benchmarks are left out (Debian: apt-get install wrk)');
    return;
  }
  const packages = ['install', '--yes', '--no-install-recommends', 'wrk'];
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await runCommand(apt, packages, { label: 'wrk', cwd: '/', progress, env });
}
