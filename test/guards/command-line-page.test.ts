import type { Command } from 'commander';
import { describe, expect, it } from '@jest/globals';
import { createProgram } from '../../src/program.ts';
import { contractOperations } from '../kit/openapi-contract.ts';
import { textOf } from '../kit/tracked-files.ts';

/** Which verb calls an operation; `api` calls them all. */
const VERBS: Readonly<Record<string, string>> = {
  readSecret: 'get',
  readSecrets: 'get',
  writeSecret: 'put',
  destroySecret: 'rm',
  listSecrets: 'ls',
  listSecretVersions: 'versions',
  createSession: 'login',
  renewSession: 'login',
  readSession: 'whoami',
  endSession: 'logout',
  listSessions: 'session ls',
  endSessions: 'session end',
  createQuarantine: 'quarantine add',
  listQuarantines: 'quarantine ls',
  liftQuarantine: 'quarantine lift',
  seal: 'seal',
  issueCredential: 'credential',
  acknowledge: 'ack',
  followEvents: 'events',
  listRotations: 'rotate ls',
  readRotation: 'rotate status',
  readRotationHistory: 'rotate history',
  runRotation: 'rotate run',
  drillRotation: 'rotate drill',
  retryRotation: 'rotate retry',
  abortRotation: 'rotate abort',
  rollBackRotation: 'rotate rollback',
  retireRotation: 'rotate retire',
  listLeases: 'lease ls',
  readLease: 'lease get',
  releaseLease: 'lease release',
  renewLease: 'lease renew',
  revokeLeases: 'lease revoke',
  listRevocations: 'revocation ls',
  retryRevocation: 'revocation retry',
  validatePolicy: 'policy validate',
  explainDecision: 'policy explain',
  checkMount: 'mount check',
  createOperatorToken: 'operator token create',
  listOperatorTokens: 'operator token ls',
  revokeOperatorToken: 'operator token revoke',
  readOwnToken: 'whoami',
  searchAudit: 'audit search',
  traceAudit: 'audit trace',
  proveEntry: 'audit proof',
  readCheckpoint: 'audit checkpoint',
  readLogKey: 'audit log-key',
  listHeads: 'audit export',
  readTile: 'audit export',
  // For probes and tools, which have an HTTP client of their own.
  readHealth: 'api',
  readReadiness: 'api',
  readMetrics: 'api',
  readOpenApi: 'api',
  ...documentVerbs('policy', 'Policy', 'Policies'),
  ...documentVerbs('cluster', 'Cluster', 'Clusters'),
  ...documentVerbs('mount', 'Mount', 'Mounts'),
  ...documentVerbs('definition', 'Definition', 'Definitions'),
  ...documentVerbs('operator', 'Operator', 'Operators'),
};

function documentVerbs(word: string, one: string, many: string): Readonly<Record<string, string>> {
  return {
    [`list${many}`]: `${word} ls`,
    [`read${one}`]: `${word} get`,
    [`put${one}`]: 'apply',
    [`delete${one}`]: `${word} rm`,
    [`list${one}Versions`]: `${word} versions`,
  };
}

interface Verb {
  readonly usage: string;
  readonly path: string;
  readonly command: Command;
}

/** Commands that do something, with what is written behind them. */
function verbsOf(command: Command, path: readonly string[] = []): readonly Verb[] {
  if (command.commands.length > 0) {
    return command.commands.flatMap((each) => verbsOf(each, [...path, each.name()]));
  }
  const words = command.registeredArguments.map((argument) => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${name}>` : `[${name}]`;
  });
  return [{ usage: [...path, ...words].join(' '), path: path.join(' '), command }];
}

const page = textOf('docs/cli.md');
const verbs = verbsOf(createProgram());
/** Chapters by their headings, each with its text. */
const chapters = new Map(
  page
    .split(/^### /m)
    .slice(1)
    .map((text) => [/^`quaymaster ([^`]+)`/.exec(text)?.[1] ?? '', text.split(/^## /m)[0] ?? '']),
);
const CONNECTION = ['--profile', '--url', '--token-file', '--ca', '--output'];

describe('docs/cli.md', () => {
  it('has a chapter for every verb, with its arguments, and for no other', () => {
    expect([...chapters.keys()].sort()).toEqual(verbs.map(({ usage }) => usage).sort());
  });

  it.each(verbs.map((verb) => [verb.usage, verb] as const))(
    'has every option of %s, with its default, and no other',
    (usage, { command }) => {
      const rows = [
        ...(chapters.get(usage) ?? '').matchAll(/^\| `([^`]+)` \| (.*?) \| (.*?) \|$/gm),
      ].map(([, flags, what, fallback]) => [flags, what, fallback]);
      const options = command.options
        .filter(({ long }) => !CONNECTION.includes(long ?? '') || isOwn(command, long))
        .map(({ flags, description, defaultValue }) => [
          flags,
          description,
          defaultValue === undefined ? '' : `\`${String(defaultValue)}\``,
        ]);
      expect(rows).toEqual(options);
    },
  );

  it('has every exit code', () => {
    const rows = [...page.matchAll(/^\| (\d+) \| /gm)].map(([, code]) => Number(code));
    expect(rows).toEqual([0, 1, 2, 3, 4, 5, 6, 64, 130, 141, 143]);
  });
});

/** `--url` of an export and `--token-file` of `init` are their own. */
function isOwn(command: Command, long: string | undefined): boolean {
  const said = command.options.filter((each) => each.long === '--profile');
  return said.length === 0 && long !== '--output';
}

describe('the command line', () => {
  it('has a verb for everything that the API has', () => {
    const paths = verbs.map(({ path }) => path);
    for (const { id } of contractOperations) {
      expect({ id, verb: paths.includes(VERBS[id] ?? '') }).toEqual({ id, verb: true });
    }
    const ids = contractOperations.map(({ id }) => id);
    expect(Object.keys(VERBS).sort()).toEqual([...ids].sort());
  });
});
