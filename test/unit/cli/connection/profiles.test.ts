import { chmod, mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { findTarget } from '../../../../src/cli/connection/connection.ts';
import { readEnvironment } from '../../../../src/cli/connection/environment.ts';
import { ProfileFiles } from '../../../../src/cli/connection/profiles.ts';
import { runProfileUse } from '../../../../src/cli/verbs/login.ts';
import { cliContext } from '../../../kit/cli/cli-context.ts';
import { fileTree, removeTreesAfterEach } from '../../../kit/files/file-tree.ts';

removeTreesAfterEach();

const tokenOf = (letter: string): string => `qmo_${letter.repeat(49)}`;
const profileAt = (url: string) => ({
  url,
  login: { kind: 'operator', token: tokenOf('p') } as const,
});

async function configured(): Promise<{ directory: string; files: ProfileFiles }> {
  const root = await fileTree({ token: `${tokenOf('f')}\n`, other: 'not a token' });
  const directory = join(root, 'quaymaster');
  const files = new ProfileFiles({
    configDirectory: directory,
    keyDirectories: [join(root, 'keys')],
  });
  await files.write('default', profileAt('https://default.test'));
  await files.write('prod', { ...profileAt('https://prod.test'), caFile: '/ca.pem' });
  await files.use('prod');
  return { directory, files };
}

describe('profiles', () => {
  it('are stored where only their owner can read them, and leave no other file', async () => {
    const { directory, files } = await configured();
    await files.write('prod', profileAt('https://prod2.test'));
    const kept = join(directory, 'profiles');
    expect((await readdir(kept)).sort()).toEqual(['default.json', 'prod.json']);
    expect((await stat(kept)).mode & 0o777).toBe(0o700);
    expect((await stat(join(kept, 'prod.json'))).mode & 0o777).toBe(0o600);
  });

  it('leave no other file when they cannot be written', async () => {
    const { directory, files } = await configured();
    const kept = join(directory, 'profiles');
    await mkdir(join(kept, 'taken.json'));
    await expect(files.write('taken', profileAt('https://x.test'))).rejects.toThrow(
      `${join(kept, 'taken.json')} cannot be written: EISDIR`,
    );
    expect((await readdir(kept)).sort()).toEqual(['default.json', 'prod.json', 'taken.json']);
  });

  it('are refused when others may read them', async () => {
    const { directory, files } = await configured();
    await chmod(join(directory, 'profiles/prod.json'), 0o644);
    await expect(files.read('prod')).rejects.toThrow('chmod 600');
  });

  it.each(['../prod', 'a/b', '', 'Prod'])('have names and not paths: %j', async (name) => {
    const { files } = await configured();
    await expect(files.read(name)).rejects.toThrow('the name of a profile has up to 63 characters');
  });

  it('give another error than an empty list if they do not exist', async () => {
    const { directory } = await configured();
    const environment = { ...readEnvironment({}), configDirectory: directory };
    await expect(findTarget({ profile: 'prdo' }, environment)).rejects.toThrow(
      'profile "prdo" does not exist; list profiles: quaymaster profile ls',
    );
    const missing = { ...environment, configDirectory: join(directory, 'nowhere') };
    await expect(findTarget({}, missing)).rejects.toThrow(
      'not logged in; run: quaymaster login --url https://HOST:PORT --token-file FILE',
    );
  });

  it('are deleted together with their selection', async () => {
    const { files } = await configured();
    await files.remove('prod');
    expect([await files.read('prod'), await files.current()]).toEqual([undefined, undefined]);
  });
});

describe('profile use', () => {
  it('makes a profile the current one, and names the profiles if it does not exist', async () => {
    const { directory, files } = await configured();
    const context = cliContext({ configDirectory: directory });
    await runProfileUse(context, { args: ['default'], options: {} });
    expect(await files.current()).toBe('default');
    expect(context.out()).toBe('the current profile is now "default" (https://default.test)\n');
    const missing = runProfileUse(context, { args: ['prdo'], options: {} });
    await expect(missing).rejects.toThrow('profile "prdo" does not exist; profiles: default, prod');
    expect(await files.current()).toBe('default');
  });
});

describe('the broker of a command', () => {
  const target = async (
    options: Parameters<typeof findTarget>[0],
    variables: NodeJS.ProcessEnv = {},
  ) => {
    const { directory } = await configured();
    const root = join(directory, '..');
    const environment = readEnvironment({ XDG_CONFIG_HOME: root, ...variables });
    const told =
      options.tokenFile === undefined ? {} : { tokenFile: join(root, options.tokenFile) };
    const { profile } = await findTarget({ ...options, ...told }, environment);
    return { url: profile.url, ca: profile.caFile, login: profile.login };
  };

  it('is the one of the last login, or of the named profile', async () => {
    const prod = { url: 'https://prod.test', ca: '/ca.pem' };
    expect(await target({})).toMatchObject(prod);
    expect(await target({ profile: 'default' })).toMatchObject({ url: 'https://default.test' });
    const around = { QUAYMASTER_PROFILE: 'default' };
    expect(await target({}, around)).toMatchObject({ url: 'https://default.test' });
    expect(await target({ profile: 'prod' }, around)).toMatchObject(prod);
  });

  it('is the one of the options rather than the environment', async () => {
    const around = { QUAYMASTER_URL: 'https://around.test', QUAYMASTER_CA_FILE: '/around.pem' };
    const said = { url: 'https://said.test', tokenFile: 'token' };
    expect(await target(said, around)).toEqual({
      url: 'https://said.test',
      ca: '/around.pem',
      login: { kind: 'operator', token: tokenOf('f') },
    });
    expect(await target({ tokenFile: 'token' }, around)).toMatchObject({
      url: 'https://around.test',
    });
  });

  it('is taken completely from a profile that an option names, whatever the environment says', async () => {
    const around = { QUAYMASTER_URL: 'https://around.test', QUAYMASTER_TOKEN_FILE: '/nowhere' };
    expect(await target({ profile: 'prod' }, around)).toMatchObject({ url: 'https://prod.test' });
  });

  it('never gets the token of a profile for another broker', async () => {
    await expect(target({ url: 'https://evil.test' })).rejects.toThrow('no token for');
    const around = { QUAYMASTER_URL: 'https://evil.test' };
    await expect(target({}, around)).rejects.toThrow('no token for');
    expect(await target({ url: 'https://prod.test/' })).toMatchObject({
      login: { token: tokenOf('p') },
    });
  });

  it('never gets the content of a file without a token', async () => {
    const told = target({ tokenFile: 'other', url: 'https://x.test' });
    await expect(told).rejects.toThrow('does not contain a Quaymaster token');
    await expect(told).rejects.not.toThrow('not a token');
  });
});

describe('the environment', () => {
  it.each([
    [{ QUAYMASTER_TOKEN: tokenOf('e') }, 'QUAYMASTER_TOKEN_FILE'],
    [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, 'always verified'],
  ])('is refused if it is dangerous: %j', (variables, expected) => {
    expect(() => readEnvironment(variables)).toThrow(expected);
    expect(() => readEnvironment(variables)).not.toThrow(tokenOf('e'));
  });
});
