import { beforeAll, expect, it } from '@jest/globals';
import { systemClock } from '../../src/process/clock.ts';
import { checkpointObject } from '../../src/providers/aws/checkpoint-object.ts';
import type { CheckpointStorage } from '../../src/ports/checkpoint-storage.ts';
import { createBucket } from '../kit/aws/aws-bucket.ts';
import { REGION, setCredentials } from '../kit/aws/aws-connection.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { checkpointStorageContract } from './checkpoint-storage.contract.ts';

describeWith(['moto'], 'moto', ({ moto }) => {
  setCredentials();
  const { endpoint } = moto;
  const open = (bucket: string): Promise<CheckpointStorage> =>
    checkpointObject({ bucket, region: REGION, endpoint, prefix: 'quaymaster/prod' }, systemClock);

  checkpointStorageContract('a bucket', async () => {
    const bucket = await createBucket(endpoint);
    return { open: () => open(bucket), close: () => Promise.resolve() };
  });

  let bucket: string;
  beforeAll(async () => {
    bucket = await createBucket(endpoint);
  });

  it('gives a writer the note of another process instead of replacing it', async () => {
    const [one, two] = [await open(bucket), await open(bucket)];
    expect([await one.read(), await two.read()]).toEqual([undefined, undefined]);
    expect(await one.write('of one')).toBeUndefined();
    expect(await two.write('of two')).toBe('of one');
    expect(await one.read()).toBe('of one');
    expect(await two.write('of two')).toBeUndefined();
    expect(await one.write('of one again')).toBe('of two');
  });

  it('names the place and the cause if the bucket is absent', async () => {
    const absent = await open(`${bucket}-absent`);
    const name = `s3://${bucket}-absent/quaymaster/prod/checkpoint`;
    for (const call of [() => absent.read(), () => absent.write('x')]) {
      const refused = call();
      await expect(refused).rejects.toMatchObject({ code: 'ERR_AUDIT_UNAVAILABLE' });
      await expect(refused).rejects.toThrow(`the checkpoint ${name} could not be`);
      await expect(refused).rejects.toThrow('NoSuchBucket');
    }
  });
});
