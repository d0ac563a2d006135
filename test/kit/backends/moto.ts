import { join } from 'node:path';
import { installedDirectory, installedProgram } from './cache.ts';
import { createDataDirectory } from './data-directory.ts';
import { startIn, type Footprint, type Running } from './footprint.ts';
import { freePort } from './free-port.ts';
import { MOTO } from './recipes.ts';
import { startServer } from './server-process.ts';

/** A running moto: AWS Secrets Manager, STS, KMS and IAM at one endpoint; it accepts any credentials. */
export interface Moto extends Footprint {
  readonly endpoint: string;
  readonly region: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

// The documentation's example pair: moto accepts any, and secret scanners know this one.
const CREDENTIALS = {
  region: 'eu-central-1',
  accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
  secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
};

/** Starts an empty moto; `keep` leaves it running after this process. */
export async function startMoto({ keep = false } = {}): Promise<Running<Moto>> {
  installedProgram(MOTO);
  const directory = await createDataDirectory('moto');
  return startIn(directory, async (processes) => {
    const port = await freePort();
    const endpoint = `http://127.0.0.1:${port}`;
    const server = await startServer({
      // As a module: the script of a virtual environment contains the directory in which it was built, which was renamed since.
      command: join(installedDirectory(MOTO), 'bin', 'python'),
      args: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
      cwd: directory,
      logFile: join(directory, 'server.log'),
      keep,
      ready: async () => (await fetch(`${endpoint}/moto-api/data.json`)).ok,
    });
    processes.push(server);
    return { version: MOTO.version, processes, directory, endpoint, ...CREDENTIALS };
  });
}
