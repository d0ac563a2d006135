import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from '@jest/globals';
import { load } from 'js-yaml';
import { describeWith } from '../kit/backends/backends.ts';
import { apply, type Manifest } from '../kit/backends/kube-apply.ts';
import { kubeRequest } from '../kit/backends/kube-calls.ts';
import { createNamespace } from '../kit/backends/kube-objects.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';

const MODULE = 'github.com/external-secrets/external-secrets';
const KINDS = ['secretstores', 'externalsecrets'];

/**
 * The path of the operator's module, which is fetched if it is missing. The API server that this suite needs is built
 * with Go, so Go is available.
 */
async function moduleDirectory(): Promise<string> {
  const cwd = 'test/interop/external-secrets';
  await promisify(execFile)('go', ['mod', 'download', MODULE], { cwd });
  const list = ['list', '-m', '-f', '{{.Dir}}', MODULE];
  return (await promisify(execFile)('go', list, { cwd })).stdout.trim();
}

function documented(): readonly Manifest[] {
  const page = readFileSync('docs/external-secrets.md', 'utf8');
  return [...page.matchAll(/```yaml\n([^]*?)```/g)].map(([, yaml = '']) => load(yaml) as Manifest);
}

describeWith(['kube'], "the page's objects under the operator's own definitions", ({ kube }) => {
  const namespace = uniqueName('payments');

  beforeAll(async () => {
    const definitions = join(await moduleDirectory(), 'config/crds/bases');
    for (const kind of KINDS) {
      const text = readFileSync(join(definitions, `external-secrets.io_${kind}.yaml`), 'utf8');
      await apply(kube, load(text) as Manifest);
    }
    await createNamespace(kube, namespace);
  });

  /** Creates the object without storing it: 201, or the error. A field that the definition does not have is a failure. */
  async function made(manifest: Manifest, plural: string): Promise<unknown> {
    const { apiVersion, metadata } = manifest;
    // Waits until the kind is served.
    const moved = { ...manifest, metadata: { ...metadata, namespace } };
    await apply(kube, { ...moved, metadata: { ...moved.metadata, name: uniqueName('probe') } });
    const path = `/apis/${apiVersion}/namespaces/${namespace}/${plural}`;
    const strict = '?dryRun=All&fieldValidation=Strict';
    const { status, body } = await kubeRequest(kube, 'POST', `${path}${strict}`, moved);
    return status === 201 ? status : body;
  }

  it('are valid, field by field', async () => {
    const [, store, secret] = documented();
    expect(await made(store!, 'secretstores')).toBe(201);
    expect(await made(secret!, 'externalsecrets')).toBe(201);
  });
});
