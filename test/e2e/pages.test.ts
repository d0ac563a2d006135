import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { describeWithPrograms } from '../kit/backends/describe-with-program.ts';
import { findProgram } from '../kit/backends/find-program.ts';
import { loadAll } from 'js-yaml';
import { freePort } from '../kit/backends/free-port.ts';
import { PROGRAM_WORDS, startDevBroker, type DevBroker } from '../kit/broker/dev-broker.ts';
import { writeMachinePrograms } from '../kit/pages/machine-programs.ts';
import { paste, shellBlocks, SHELLS, type Pasted, type Shell } from '../kit/pages/pasted-page.ts';
import { textOf, trackedFiles } from '../kit/pages/tracked-files.ts';

const QUICKSTART = 'docs/quickstart.md';
/** Pages for one machine, in the order in which an operator follows them. */
const MACHINE = [
  'docs/install.md',
  'docs/configuration.md',
  'docs/upgrade-and-backup.md',
  'docs/disaster-recovery.md',
];
/** Pages that only show the form of commands. test/guards/command-line-page.test.ts checks the examples of the generated one. */
const FORMS = ['docs/cli.md', 'docs/commands.md'];
const pages = trackedFiles().filter((path) => path.endsWith('.md') && !FORMS.includes(path));
const ofDevBroker = pages.filter((page) => runnable(page).length > 0 && !MACHINE.includes(page));
/** Pages that each get a new broker: they rotate a secret of the demonstration, quarantine its pod, or count what the pod has read. */
const ALONE = [
  'docs/api.md',
  'docs/gate-on-a-scan.md',
  'docs/incident-runbook.md',
  'docs/operations.md',
];
const together = ofDevBroker.filter((page) => !ALONE.includes(page));
/** Opposite orders, so a page that needs another page fails in one shell. */
const ORDERS: Readonly<Record<Shell, readonly string[]>> = {
  bash: together,
  zsh: together.toReversed(),
};

/** Numbers by page: blocks that run as written, and blocks that need something from outside. Count a new block here. */
const BLOCKS: Readonly<Record<string, readonly [number, number]>> = {
  'CONTRIBUTING.md': [0, 1],
  'README.md': [0, 2],
  'deploy/helm/quaymaster/README.md': [0, 1],
  'deploy/npm/README.md': [0, 2],
  'docs/agent-local-api.md': [0, 1],
  'docs/api.md': [12, 4],
  'docs/audit.md': [1, 7],
  'docs/client.md': [0, 1],
  'docs/clusters.md': [0, 3],
  'docs/compliance.md': [1, 0],
  'docs/configuration.md': [1, 0],
  'docs/disaster-recovery.md': [7, 2],
  'docs/enrolment.md': [0, 6],
  'docs/external-secrets.md': [0, 1],
  'docs/gate-on-a-scan.md': [10, 0],
  'docs/how-quaymaster-thinks.md': [0, 1],
  'docs/incident-runbook.md': [5, 0],
  'docs/injection.md': [0, 1],
  'docs/install.md': [2, 8],
  'docs/kms-vault-transit.md': [0, 2],
  'docs/kubernetes.md': [0, 7],
  'docs/kubernetes-documents.md': [0, 4],
  'docs/migrating-from-vault.md': [0, 5],
  'docs/laptop.md': [4, 1],
  'docs/metrics.md': [0, 1],
  'docs/monitoring.md': [0, 2],
  'docs/operations.md': [8, 7],
  'docs/people.md': [0, 11],
  'docs/performance.md': [0, 1],
  'docs/policies.md': [1, 0],
  'docs/policy-tests.md': [1, 0],
  'docs/posture.md': [1, 0],
  'docs/providers/embedded.md': [0, 4],
  'docs/providers/vault.md': [0, 2],
  'docs/quickstart.md': [5, 4],
  'docs/rotation.md': [1, 0],
  'docs/rotators/vault.md': [0, 3],
  'internals/releasing.md': [0, 2],
  'docs/scaling.md': [0, 1],
  'docs/states.md': [0, 1],
  'internals/testing.md': [0, 3],
  'internals/threat-coverage.md': [0, 1],
  'docs/token-scanners.md': [0, 1],
  'docs/upgrade-and-backup.md': [7, 12],
  'docs/writing-a-webhook-rotator.md': [0, 1],
};

/** Exit codes of commands that the page expects to fail. */
const FAILURES: Readonly<Record<string, readonly string[]>> = {
  // A new broker fails some controls.
  'docs/compliance.md': ['@failed 1', '@failed 1'],
  // `diff` of two versions that differ
  'docs/laptop.md': ['@failed 2'],
  // `policy explain` of a workload in quarantine
  'docs/operations.md': ['@failed 3'],
  // `posture check` of a pod on the network of its node
  'docs/posture.md': ['@failed 1'],
};

const SHOWN: Readonly<Record<string, readonly RegExp[]>> = {
  'docs/quickstart.md': [
    /\+ policy shop-web/,
    /"password": "correct horse"/,
    /secret\.read +ok +- +shop\/mail/,
    /^lea_\w+ +k8s:\/\/dev\/shop\/web +\S+ +shop\/mail/m,
  ],
  'docs/api.md': [/event: secret\.changed/, /"policy":"payments"/],
  'docs/audit.md': [/^verified: /m],
  'docs/gate-on-a-scan.md': [
    /"data":[^]*report_missing[^]*vulnerability_denied: [^]* 0 findings[^]*"data":[^]*ERR_UNAUTHENTICATED[^]*quarantine[^]*ever read 2[^]*"data":/,
  ],
  'docs/incident-runbook.md': [
    /generic +crypto miner[^]*falcosidekick +Read sensitive[^]*ERR_UNAUTHENTICATED[^]*rotation\.end +rotation[^]*"version":"2"/,
  ],
  'docs/laptop.md': [/^a password of 13 characters$/m, /^~ MAIL_PASSWORD$/m],
  'docs/operations.md': [/^blocked: /m, /^verified: /m],
  'docs/policy-tests.md': [/^2 passed, 0 failed$/m],
  'docs/posture.md': [/^FAIL Pod web$/m, /^0 conform to baseline/m],
  'docs/rotation.md': [/^state +done$/m],
};

function runnable(page: string): readonly string[] {
  return shellBlocks(page)
    .filter(({ isOutside }) => !isOutside)
    .map(({ text }) => text);
}

/** Writes a `curl` that fails if the broker refuses: without `--fail-with-body` it succeeds whatever the answer. */
async function writeCurl(programs: string): Promise<void> {
  const curl = join(programs, 'curl');
  await writeFile(
    curl,
    `#!/bin/sh\nexec ${findProgram('curl') ?? 'curl'} -sS --fail-with-body "$@"\n`,
  );
  await chmod(curl, 0o755);
}

/** The program in the checkout, as the quickstart names it; the pages run in another directory. */
const IN_CHECKOUT = '"$checkout/node_modules/.bin/node" "$checkout/src/program/main.ts"';

async function startBrokerOfPages(): Promise<DevBroker> {
  const broker = await startDevBroker();
  const programs = join(broker.directory, 'programs');
  await mkdir(programs);
  await writeCurl(programs);
  return broker;
}

/** The quickstart's first block logs in; the other pages need it too. */
function pasteAgainst({ directory, url }: DevBroker, shell: Shell, page: string): Promise<Pasted> {
  const logIn = page === QUICKSTART ? [] : runnable(QUICKSTART).slice(0, 1);
  const blocks = [...logIn, ...runnable(page)].map((text) =>
    text.replaceAll('http://127.0.0.1:8200', url).replaceAll(IN_CHECKOUT, PROGRAM_WORDS),
  );
  const path = `${join(directory, 'programs')}:${process.env['PATH'] ?? ''}`;
  return paste(shell, blocks, { cwd: directory, env: { PATH: path, HOME: directory } });
}

/** The paths of the machine are in a directory, and programs that need root or systemd are replaced. */
async function pasteOnMachine(shell: Shell): Promise<Pasted> {
  const directory = await mkdtemp(join(tmpdir(), 'quaymaster-machine-'));
  try {
    for (const name of ['etc', 'units', 'lib/quaymaster', 'lib/quaymaster-keys', 'programs']) {
      await mkdir(join(directory, name), { recursive: true, mode: 0o700 });
    }
    const programs = await writeMachinePrograms(directory);
    const port = String(await freePort());
    const blocks = MACHINE.flatMap(runnable).map((text) =>
      text
        .replaceAll('http://127.0.0.1:8200', `http://127.0.0.1:${port}`)
        .replaceAll('/etc/quaymaster', join(directory, 'etc'))
        .replaceAll('/etc/systemd/system', join(directory, 'units'))
        .replaceAll('/usr/local/bin', programs)
        .replaceAll('/var/lib', join(directory, 'lib'))
        .replaceAll(/(?<= )\/(?=backup|safe)/g, `${directory}/`),
    );
    const env = {
      PATH: `${programs}:${process.env['PATH'] ?? ''}`,
      HOME: directory,
      QUAYMASTER__listener__port: port,
    };
    return await paste(shell, blocks, { cwd: directory, env });
  } finally {
    await rm(directory, { recursive: true });
  }
}

function withoutNumbers(problems: readonly string[]): readonly string[] {
  return problems.map((problem) => problem.replace(/^\d+: /, ''));
}

describe('blocks of commands', () => {
  it('are counted, with those that need something from outside', () => {
    const counts = pages.map((page) => {
      const all = shellBlocks(page).length;
      const run = runnable(page).length;
      return [page, [run, all - run]] as const;
    });
    const withBlocks = counts.filter(([, [run, outside]]) => run + outside > 0);
    expect(Object.fromEntries(withBlocks)).toEqual(BLOCKS);
  });
});

describe.each(SHELLS)('pasted into %s', (shell) => {
  describeWithPrograms([shell, 'curl', 'jq'], 'which is here', () => pastedPages(shell));
});

async function expectRuns(broker: DevBroker, shell: Shell, page: string): Promise<void> {
  const { outputs, problems } = await pasteAgainst(broker, shell, page);
  expect(withoutNumbers(problems)).toEqual(FAILURES[page] ?? []);
  for (const expected of SHOWN[page] ?? []) expect(outputs.join('\n')).toMatch(expected);
}

function pastedPages(shell: Shell): void {
  describe('at one broker', () => {
    let broker: DevBroker;
    beforeAll(async () => {
      broker = await startBrokerOfPages();
    });
    afterAll(() => broker.close());

    it.each(ORDERS[shell])('%s runs as written', (page) => expectRuns(broker, shell, page));
  });

  it.each(ALONE)('%s runs as written at a new broker', async (page) => {
    const broker = await startBrokerOfPages();
    try {
      await expectRuns(broker, shell, page);
    } finally {
      await broker.close();
    }
  });

  it('installation, backup, restore and recovery run as written, one after another', async () => {
    const { outputs, problems } = await pasteOnMachine(shell);
    expect(problems).toEqual([]);
    expect(outputs.join('\n')).toMatch(
      /restored and verified[^]*Changes since the backup[^]*store_behind[^]*accepted: \d+ recorded entries/,
    );
  });
}

it('the quickstart in a cluster shows documents that are well-formed', () => {
  const [, , cluster = ''] = textOf(QUICKSTART).split(/^## .*$/m);
  const blocks = [...cluster.matchAll(/^ *```yaml\n([^]*?)^ *```$/gm)];
  const documents = blocks.flatMap(([, block = '']) => loadAll(block) as { kind?: string }[]);
  const kinds = documents.map(({ kind }) => kind);
  expect(kinds).toEqual([undefined, 'Cluster', 'Pod']);
});
