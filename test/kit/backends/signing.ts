import { join } from 'node:path';
import { installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { freePort } from './free-port.ts';
import { COSIGN, CRANE } from './recipes.ts';
import { startServer } from './server-process.ts';

/** An image registry in memory, cosign to sign its images, and crane to make them. */
export interface Signing extends Footprint {
  /** Host and port of the registry; it speaks HTTP without TLS. */
  readonly registry: string;
  readonly cosign: string;
  readonly crane: string;
}

/** Starts an empty registry; `keep` leaves it running after this process. */
export async function startSigning({ keep = false } = {}): Promise<Running<Signing>> {
  const [cosign, crane] = [installedProgram(COSIGN), installedProgram(CRANE)];
  const directory = await createDataDirectory('cosign');
  return startIn(directory, async (processes) => {
    const registry = `127.0.0.1:${await freePort()}`;
    const server = await startServer({
      command: crane,
      args: ['registry', 'serve', '--address', registry],
      cwd: directory,
      logFile: join(directory, 'registry.log'),
      keep,
      ready: async () => (await fetch(`http://${registry}/v2/`)).ok,
    });
    processes.push(server);
    return { version: COSIGN.version, processes, directory, registry, cosign, crane };
  });
}
