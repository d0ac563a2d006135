import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { X509Certificate } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { loadAll } from 'js-yaml';
import { describeWith } from '../kit/backends/backends.ts';
import { kubeRequest } from '../kit/backends/kube-calls.ts';
import { runHelm } from '../kit/backends/helm-calls.ts';
import { uniqueName } from '../kit/backends/unique-name.ts';
import { PROGRAM, startDevBroker } from '../kit/broker/dev-broker.ts';
import { CHART } from './chart.ts';

const run = promisify(execFile);

/** Programs that need a container engine or a cluster: each notes its arguments, and keeps the files that it gets. */
const NOTE = '#!/bin/sh\necho "${0##*/} $*" >> "$CALLS"\n';
const STUBS = {
  docker: NOTE,
  kind: NOTE,
  helm: NOTE,
  kubectl: `${NOTE}
case "$*" in
  *'create secret'*) for word; do case "$word" in --from-file=*=*) cp "\${word##*=}" "$KEPT/";; esac; done;;
  *port-forward*) exec sleep 60;;
  *'cat /var/lib'*) echo qmo_token;;
esac
`,
  npx: `${NOTE}stat -c %a "$QUAYMASTER_TOKEN_FILE" > "$KEPT/mode"\n`,
};

interface KubernetesObject {
  readonly kind: string;
  readonly metadata: object;
}

describeWith(['shellcheck', 'helm', 'kube'], 'deploy/kind.sh', ({ shellcheck, helm, kube }) => {
  let directory: string;
  let calls: readonly string[];
  let printed: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'quaymaster-kind-'));
    const programs = join(directory, 'programs');
    await mkdir(programs);
    for (const [name, text] of Object.entries(STUBS)) {
      await writeFile(join(programs, name), text);
      await chmod(join(programs, name), 0o755);
    }
    const log = join(directory, 'calls');
    ({ stdout: printed } = await run('bash', ['deploy/kind.sh'], {
      env: {
        ...process.env,
        PATH: `${programs}:${process.env['PATH'] ?? ''}`,
        CALLS: log,
        KEPT: directory,
        TMPDIR: directory,
        QUAYMASTER_KIND_DIRECTORY: join(directory, "it's kept"),
      },
    }));
    calls = (await readFile(log, 'utf8')).trim().split('\n');
  });
  afterAll(() => rm(directory, { recursive: true }));

  it('has no finding of ShellCheck', async () => {
    await expect(run(shellcheck.program, ['deploy/kind.sh'])).resolves.toMatchObject({
      stdout: '',
    });
  });

  it('goes from the image to the secret in the pod, in this order', () => {
    const steps = [
      /^docker build --tag quaymaster:0\.1\.0 \.$/,
      /^kind create cluster/,
      /^kind load docker-image quaymaster:0\.1\.0/,
      /create secret generic quaymaster-tls/,
      /^helm install .*initialise\.enabled=true/,
      /wait --for=condition=complete job/,
      /^helm upgrade (?!.*initialise)/,
      /port-forward/,
      /^npx .* apply -f deploy\/kind\/documents --yes/,
      /^npx .* put shop\/mail password=-/,
      /apply -f deploy\/kind\/pod\.yaml/,
      /exec web .* cat \/var\/run\/quaymaster\/secrets\/mail\.json/,
    ];
    const places = steps.map((step) => calls.findIndex((call) => step.test(call)));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((left, right) => left - right));
  });

  it('makes a certificate of its authority for the service and the forwarded port', async () => {
    const read = (name: string): Promise<Buffer> => readFile(join(directory, name));
    const authority = new X509Certificate(await read('ca.crt'));
    const certificate = new X509Certificate(await read('tls.crt'));
    expect(certificate.checkIssued(authority)).toBe(true);
    expect(certificate.subjectAltName).toBe('DNS:quaymaster.quaymaster.svc, DNS:localhost');
  });

  it('ends with the place of the token and three commands that run as printed', async () => {
    const kept = join(directory, "it's kept");
    expect((await stat(join(kept, 'operator.token'))).mode & 0o777).toBe(0o600);
    const [, next = ''] = printed.split('to continue, in this directory:\n');
    const [forward = '', ...lines] = next.trim().split('\n');
    expect(forward).toMatch(/^kubectl --context kind-quaymaster .* port-forward .* 8200:8200 &$/);
    const words = async (line: string): Promise<readonly string[]> =>
      (await run('sh', ['-c', `npm() { printf '%s\\n' "$@"; }\n${line}`])).stdout
        .trim()
        .split('\n');
    const [login = '', status = ''] = lines;
    expect((await words(login)).slice(3).join(' ')).toBe(
      `-- login --url https://localhost:8200 --ca ${kept}/ca.crt --token-file ${kept}/operator.token`,
    );
    expect((await words(status)).at(-1)).toBe('status');
  });

  it('keeps the token from other users, and leaves nothing else behind', async () => {
    expect((await readFile(join(directory, 'mode'), 'utf8')).trim()).toBe('600');
    const { stdout } = await run('ls', [directory]);
    expect(stdout.trim().split('\n').sort()).toEqual(
      ['ca.crt', 'calls', "it's kept", 'mode', 'programs', 'tls.crt', 'tls.key'].sort(),
    );
  });

  it('has values that the chart accepts', async () => {
    const values = ['--values', join(process.cwd(), 'deploy/kind/values.yaml')];
    const { code, stdout, stderr } = await runHelm(helm, [
      'template',
      'quaymaster',
      CHART,
      ...values,
    ]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/image: quaymaster:0\.1\.0/);
  });

  it('has a pod that the API server accepts at the level restricted', async () => {
    const text = await readFile('deploy/kind/pod.yaml', 'utf8');
    const objects = loadAll(text) as KubernetesObject[];
    const shop = uniqueName('shop');
    const paths: Readonly<Record<string, string>> = {
      Namespace: '/api/v1/namespaces',
      ServiceAccount: `/api/v1/namespaces/${shop}/serviceaccounts`,
      Pod: `/api/v1/namespaces/${shop}/pods`,
    };
    for (const { kind, metadata, ...object } of objects) {
      const own = kind === 'Namespace' ? { name: shop } : { namespace: shop };
      const sent = { ...object, kind, metadata: { ...metadata, ...own } };
      const { status } = await kubeRequest(kube, 'POST', paths[kind] ?? '', sent);
      expect([kind, status]).toEqual([kind, 201]);
    }
  });

  it('has documents that a broker accepts', async () => {
    const broker = await startDevBroker();
    try {
      const text = await readFile('deploy/kind/documents/shop.yaml', 'utf8');
      // Development mode has no connection to an API server.
      const [, ...others] = text.split('---\n');
      const file = join(directory, 'shop.yaml');
      await writeFile(
        file,
        others
          .join('---\n')
          .replaceAll('name: shop', 'name: kind-shop')
          .replaceAll('prefix: shop', 'prefix: kind-shop'),
      );
      const [program, ...args] = PROGRAM;
      const { stdout } = await run(program, [...args, 'apply', '-f', file, '--yes'], {
        env: {
          ...process.env,
          QUAYMASTER_URL: broker.url,
          QUAYMASTER_TOKEN_FILE: join(broker.directory, '.quaymaster/operator.token'),
        },
      });
      expect(stdout).toMatch(/mount kind-shop/);
    } finally {
      await broker.close();
    }
  });
});
