import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { RunningApi } from '../kit/api/running-api.ts';
import { describeWith } from '../kit/backends/backends.ts';
import { installedDirectory } from '../kit/backends/cache.ts';
import { OPENAPI_PYTHON_CLIENT, OPENAPI_TOOLS } from '../kit/backends/recipes.ts';
import { runTool, type ToolOutcome } from '../kit/backends/run-tool.ts';

const CONTRACT = fileURLToPath(new URL('../../openapi.yaml', import.meta.url));
const PATH = 'app/team/deep/db';

/** Writes, reads and rotates the secret at a nested path, and prints what it read. */
const PYTHON = `
import sys
from quaymaster_client import AuthenticatedClient
from quaymaster_client.api.rotations import run_rotation
from quaymaster_client.api.secrets import read_secret, write_secret
from quaymaster_client.models import RotationRun, SecretWrite

url, admin, workload, path = sys.argv[1:]
operator = AuthenticatedClient(base_url=url, token=admin)
body = SecretWrite.from_dict({"data": {"password": "by-python"}})
print(write_secret.sync(path, client=operator, body=body).version)
pod = AuthenticatedClient(base_url=url, token=workload)
disclosure = read_secret.sync(path, client=pod)
print(disclosure.path, disclosure.to_dict()["data"]["password"])
print(run_rotation.sync(path, client=operator, body=RotationRun()).path)
`;

interface GeneratedClient {
  readonly [operation: string]: (options: object) => Promise<{
    readonly data?: Readonly<Record<string, unknown>>;
    readonly response: Response;
  }>;
}

describeWith(['openapitools'], 'tools that others made for OpenAPI', ({ openapitools: tool }) => {
  let api: RunningApi;
  let workload: string;
  beforeAll(async () => {
    api = await RunningApi.start();
    await api.seed();
    workload = await api.logIn();
  });
  afterAll(() => api.stop());

  const nodeTool = (script: string, args: readonly string[], cwd = tool.directory) =>
    runTool(
      { directory: tool.directory, program: process.execPath },
      [join(installedDirectory(OPENAPI_TOOLS), 'node_modules', script), ...args],
      { cwd },
    );
  const python = (args: readonly string[], cwd = tool.directory): Promise<ToolOutcome> => {
    const program = join(installedDirectory(OPENAPI_PYTHON_CLIENT), 'bin', 'python');
    return runTool({ directory: tool.directory, program }, args, { cwd });
  };
  /** A secret with a definition that rotates it. */
  const rotating = async (path: string): Promise<void> => {
    const body = { data: { password: 'first' } };
    await api.call('PUT', `/api/v1/secrets/${path}`, { token: api.admin, body });
    const options = { keys: { password: {} } };
    await api.put(`definitions/${path}`, { rotation: { strategy: 'generated', options } });
  };

  it('Redocly finds nothing in the contract', async () => {
    const args = ['lint', CONTRACT, '--format', 'json'];
    const { stdout } = await nodeTool('@redocly/cli/bin/cli.js', args);
    expect((JSON.parse(stdout) as { problems: object[] }).problems).toEqual([]);
  });

  it('Spectral finds nothing in the contract', async () => {
    await writeFile(join(tool.directory, 'ruleset.yaml'), 'extends: ["spectral:oas"]\n');
    const args = ['lint', CONTRACT, '--ruleset', 'ruleset.yaml', '--fail-severity', 'hint'];
    const { code, stdout } = await nodeTool('@stoplight/spectral-cli/dist/index.js', args);
    expect({ code, stdout }).toMatchObject({ code: 0 });
  });

  it('a client that openapi-python-client generated writes, reads and rotates a nested path', async () => {
    const path = `${PATH}-python`;
    await rotating(path);
    const generated = await python([
      '-m',
      'openapi_python_client',
      'generate',
      '--path',
      CONTRACT,
      '--output-path',
      'python',
    ]);
    expect(generated.code).toBe(0);
    expect(generated.stdout).not.toContain('will not be generated');
    const folder = join(tool.directory, 'python');
    await writeFile(join(folder, 'try.py'), PYTHON);
    const { code, stdout, stderr } = await python(
      ['try.py', api.url, api.admin, workload, path],
      folder,
    );
    expect(stderr).toBe('');
    expect(stdout.split('\n')).toEqual(['2', `${path} by-python`, path, '']);
    expect(code).toBe(0);
  });

  it('a client that openapi-ts generated writes, reads and rotates a nested path', async () => {
    const path = `${PATH}-typescript`;
    await rotating(path);
    const args = [
      '--input',
      CONTRACT,
      '--output',
      'typescript',
      '--client',
      '@hey-api/client-fetch',
    ];
    expect((await nodeTool('@hey-api/openapi-ts/bin/run.js', args)).code).toBe(0);
    const outfile = join(tool.directory, 'client.mjs');
    const entry = join(tool.directory, 'typescript', 'sdk.gen.ts');
    await build({ entryPoints: [entry], outfile, bundle: true, format: 'esm', platform: 'node' });
    const client = (await import(outfile)) as GeneratedClient;
    const as = (auth: string): object => ({ baseUrl: api.url, auth, path: { path } });
    const body = { data: { password: 'by-typescript' } };
    const written = await client['writeSecret']!({ ...as(api.admin), body });
    expect(written.data).toMatchObject({ version: '2' });
    const read = await client['readSecret']!(as(workload));
    expect(read.response.url).toContain('app%2Fteam%2Fdeep');
    expect(read.data).toMatchObject({ path, data: { password: 'by-typescript' } });
    const rotated = await client['runRotation']!({ ...as(api.admin), body: {} });
    expect(rotated.response.status).toBe(202);
  });
});
