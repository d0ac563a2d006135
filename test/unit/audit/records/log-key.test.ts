import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chmod, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { auditConfigSchema } from '../../../../src/audit/base/config.ts';
import { createLogKeyFile, loadLogKeyFile } from '../../../../src/audit/records/log-key.ts';
import { newWriterId } from '../../../../src/audit/chain/boot.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'key-'));
});
afterEach(() => rm(directory, { recursive: true }));

describe('the log key file', () => {
  it('is created once, readable by its owner alone, and read again', async () => {
    const path = join(directory, 'log.key');
    const made = await createLogKeyFile(path);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await loadLogKeyFile(path)).publicKey).toEqual(made.publicKey);
    await expect(createLogKeyFile(path)).rejects.toMatchObject({ code: 'ERR_CONFIG_INVALID' });
  });

  it('is refused when others can read it, when it is a link, and when it is not an Ed25519 key', async () => {
    const refused = expect.objectContaining({ code: 'ERR_CONFIG_INVALID' });
    const path = join(directory, 'log.key');
    await createLogKeyFile(path);
    const link = join(directory, 'link');
    await symlink(path, link);
    await expect(loadLogKeyFile(link)).rejects.toEqual(refused);
    await chmod(path, 0o640);
    await expect(loadLogKeyFile(path)).rejects.toEqual(refused);
    await expect(loadLogKeyFile(join(directory, 'absent'))).rejects.toEqual(refused);
    for (const text of ['', 'not a key', 'x'.repeat(5000)]) {
      const other = join(directory, `bad${text.length}`);
      await writeFile(other, text, { mode: 0o600 });
      await expect(loadLogKeyFile(other)).rejects.toEqual(refused);
    }
  });
});

describe('writer ids', () => {
  it('sort by the time of the boot', () => {
    const ids = [0, 1, 1_700_000_000_000, 1_700_000_000_001, 4_000_000_000_000].map(newWriterId);
    for (const id of ids) expect(id).toMatch(/^w[0-9a-z]{9}-[0-9a-hjkmnp-tv-z]{10}$/);
    expect([...ids].sort()).toEqual(ids);
    expect(newWriterId(5)).not.toBe(newWriterId(5));
  });
});

describe('the configuration of the audit log', () => {
  const least = { origin: 'log.example/prod', logKeyFile: '/k', checkpointFile: '/c' };

  it('needs a name, a key file and a checkpoint file', () => {
    expect(auditConfigSchema.parse(least)).toEqual({
      ...least,
      sinks: [],
      acknowledgeWithinSeconds: 5,
      scrubIntervalHours: 24,
      witnesses: [],
      publicTiles: false,
      refusals: { entriesPerWindow: 20, windowSeconds: 60 },
      denials: { entriesPerWindow: 5, windowSeconds: 60 },
    });
  });

  it('refuses unknown keys, relative paths, invalid names and a repeated sink', () => {
    const bad = [
      { ...least, webhook: 'https://x' },
      { ...least, logKeyFile: 'k' },
      { ...least, origin: 'a b' },
      { ...least, origin: 'a+b' },
      { ...least, sinks: [{ type: 'stdout' }, { type: 'stdout' }] },
      { ...least, sinks: [{ type: 'exec', path: '/bin/sh' }] },
      { ...least, refusals: { entriesPerWindow: 0 } },
    ];
    for (const config of bad) expect(auditConfigSchema.safeParse(config).success).toBe(false);
  });

  it('refuses witnesses with another kind of key, an open address, a repeated name or too large a policy', () => {
    const key = 'witness.example/w1+34680a89+BOBQPspGD6yGqqDG+JfM8Fw6PfTGLCiM5MclZqiJkVif';
    const logKey = 'quaymaster.example/log+d0b052a9+ATHHk2fC03x88ONAGkh6T2h1npS3e5bz+y6SuaGAC8tr';
    const good = { name: 'w1', url: 'https://witness.example/w1', key };
    const parsed = (witnesses: unknown[], required = 1): boolean =>
      auditConfigSchema.safeParse({ ...least, witnesses, witnessPolicy: { required } }).success;
    expect(parsed([good])).toBe(true);
    expect(parsed([{ ...good, url: 'http://127.0.0.1:7380' }])).toBe(true);
    const bad = [
      { ...good, key: logKey },
      { ...good, key: key.replace('34680a89', '34680a88') },
      { ...good, url: 'http://witness.example' },
      { ...good, url: 'https://user:word@witness.example' },
      { ...good, name: 'W 1' },
    ];
    for (const witness of bad) expect(parsed([witness])).toBe(false);
    expect(parsed([good, { ...good, name: 'w2' }])).toBe(false);
    expect(parsed([good], 2)).toBe(false);
  });
});
