import { execFile } from 'node:child_process';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { describeWith } from '../kit/backends/backends.ts';
import { CsiProcess } from '../kit/delivery/csi-process.ts';
import { PreparedBroker } from '../kit/broker/prepared-broker.ts';

const run = promisify(execFile);

describeWith(['goprograms'], "the Secrets Store CSI driver's own client", ({ goprograms }) => {
  const program = join(goprograms.program, 'csi-driver');
  let broker: PreparedBroker;
  let csi: CsiProcess;

  beforeAll(async () => {
    broker = await PreparedBroker.start();
    await broker.write('own/db', { user: 'app', password: 'of the driver' });
    csi = await CsiProcess.start(broker);
  });
  afterAll(async () => {
    await csi.remove();
    await broker.remove();
  });

  async function mount(objects: string): Promise<string> {
    const attributes = join(csi.directory, 'attributes');
    const tokens = { quaymaster: { token: broker.serviceAccountToken() } };
    await writeFile(
      attributes,
      JSON.stringify({
        objects,
        'csi.storage.k8s.io/serviceAccount.tokens': JSON.stringify(tokens),
      }),
    );
    const target = join(csi.directory, 'volume');
    await mkdir(target, { recursive: true });
    return (await run(program, [csi.socket, attributes, target])).stdout;
  }

  it("accepts the provider's answer, and its writer accepts the files", async () => {
    const versions = await mount(
      "- { path: own/db, key: password, mode: '0400' }\n- { path: own/db, format: files, file: db/keys }",
    );
    expect(versions).toBe('own/db 1\n');
    const file = (name: string): string => join(csi.directory, 'volume', name);
    expect(await readFile(file('password'), 'utf8')).toBe('of the driver');
    expect((await stat(file('password'))).mode & 0o777).toBe(0o400);
    expect(await readFile(file('db/keys/user'), 'utf8')).toBe('app');
  });

  it('receives the reason of a failure', async () => {
    await expect(mount('- path: own/absent')).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('code = NotFound desc = own/absent: ERR_NOT_FOUND'),
    });
  });
});
