import { describe, expect, it } from '@jest/globals';
import {
  COMMAND_PAGE,
  commandPage,
  examplesOf,
  leavesOf,
} from '../../scripts/command-line-page.ts';
import { createProgram } from '../../src/program/program.ts';
import { contractOperations } from '../kit/api/openapi-contract.ts';
import { textOf } from '../kit/pages/tracked-files.ts';

/** The command that calls each operation; `api` can call all of them. */
const VERBS: Readonly<Record<string, string>> = {
  readSecret: 'get',
  readSecrets: 'get',
  writeSecret: 'put',
  patchSecret: 'patch',
  describeSecret: 'describe',
  deleteSecret: 'rm',
  undeleteSecret: 'undelete',
  destroySecret: 'destroy',
  listSecrets: 'ls',
  listSecretVersions: 'versions',
  createSession: 'login',
  renewSession: 'login',
  readSession: 'whoami',
  endSession: 'logout',
  listSessions: 'session ls',
  endSessions: 'session end',
  listAlerts: 'alert ls',
  listAlertSources: 'alert sources',
  approveAlert: 'alert approve',
  dismissAlert: 'alert dismiss',
  openIncident: 'incident open',
  readIncident: 'incident show',
  // Sources of alerts call it, with a proof of their own.
  receiveAlert: 'api',
  createQuarantine: 'quarantine add',
  listQuarantines: 'quarantine ls',
  liftQuarantine: 'quarantine lift',
  seal: 'seal',
  requestBreakGlass: 'break-glass request',
  listApprovals: 'approval ls',
  readApproval: 'approval show',
  approveRequest: 'approval approve',
  denyRequest: 'approval deny',
  withdrawRequest: 'approval withdraw',
  confirmDocuments: 'approval confirm',
  requireApprovals: 'approval require',
  pushAttestation: 'attestation push',
  listAttestations: 'attestation ls',
  readAttestation: 'attestation show',
  deleteAttestation: 'attestation rm',
  pushEvidence: 'evidence push',
  listEvidence: 'evidence ls',
  readEvidence: 'evidence show',
  deleteEvidence: 'evidence rm',
  createBackup: 'backup create',
  readKeys: 'keys status',
  rotateKeys: 'keys rotate',
  retireKek: 'keys retire-kek',
  listBackups: 'backup ls',
  recordDrill: 'drill',
  readConfiguration: 'status',
  reloadConfiguration: 'reload',
  issueCredential: 'credential',
  acknowledge: 'ack',
  followChanges: 'changes',
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
  explainEntry: 'policy explain',
  replayPolicies: 'policy replay',
  explainPosture: 'posture explain',
  surveyPosture: 'posture survey',
  checkMount: 'mount check',
  checkCluster: 'cluster check',
  enrollCluster: 'cluster enroll',
  joinCluster: 'cluster join',
  listEnrolments: 'cluster enrolments',
  endEnrolment: 'cluster unenroll',
  applyDocuments: 'apply',
  createOperatorToken: 'operator token create',
  listOperatorTokens: 'operator token ls',
  revokeOperatorToken: 'operator token revoke',
  beginPersonLogin: 'login',
  finishPersonLogin: 'login',
  endOwnLogin: 'logout',
  endPersonLogins: 'operator sign-out',
  listSecurityKeys: 'second-factor ls',
  beginSecurityKey: 'second-factor add',
  finishSecurityKey: 'second-factor add',
  removeSecurityKey: 'second-factor rm',
  readOwnToken: 'whoami',
  searchAudit: 'audit search',
  listReceivers: 'audit who-received',
  traceAudit: 'audit trace',
  proveEntry: 'audit proof',
  readCheckpoint: 'audit checkpoint',
  readLogKey: 'audit log-key',
  listHeads: 'audit export',
  readTile: 'audit export',
  readArchive: 'audit archive-status',
  listArchiveObjects: 'audit export',
  archiveAudit: 'audit archive',
  // Probes and tools call these with their own HTTP client.
  readRoot: 'api',
  readHealth: 'api',
  readReadiness: 'api',
  readStatus: 'status',
  readMetrics: 'api',
  readOpenApi: 'api',
  // Browsers open these.
  readKeyPage: 'api',
  readKeyScript: 'api',
  readPublicCheckpoint: 'api',
  readPublicTile: 'api',
  ...documentVerbs('policy', 'Policy', 'Policies'),
  ...documentVerbs('cluster', 'Cluster', 'Clusters'),
  ...documentVerbs('mount', 'Mount', 'Mounts'),
  ...documentVerbs('definition', 'Definition', 'Definitions'),
  ...documentVerbs('operator', 'Operator', 'Operators'),
  ...documentVerbs('role-binding', 'RoleBinding', 'RoleBindings'),
  ...documentVerbs('posture-profile', 'PostureProfile', 'PostureProfiles'),
  ...documentVerbs('response-rule', 'ResponseRule', 'ResponseRules'),
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

const program = createProgram();
const leaves = leavesOf(program);

describe('the pages of the command line', () => {
  it(`${COMMAND_PAGE} is what "npm run generate" writes from the help`, () => {
    expect(textOf(COMMAND_PAGE)).toBe(commandPage(program));
  });

  it('lists every exit code', () => {
    const rows = [...textOf('docs/cli.md').matchAll(/^\| (\d+) \| /gm)].map(([, code]) =>
      Number(code),
    );
    expect(rows).toEqual([0, 1, 2, 3, 4, 5, 6, 64, 130, 141, 143]);
  });
});

describe('the examples in the help', () => {
  const examples = leaves.flatMap(({ path, command }) =>
    examplesOf(command).map((line) => ({ path, command, line })),
  );

  it.each(leaves.map(({ path, command }) => [path, command] as const))(
    'are one or two for %s',
    (path, command) => {
      const lines = examplesOf(command);
      expect([1, 2]).toContain(lines.length);
      for (const line of lines) expect(`${line} `).toContain(`quaymaster ${path} `);
    },
  );

  /** Quotes, comments, globs and history expansion mean different things in bash and zsh. */
  it.each(examples.map(({ line }) => line))('paste into bash and zsh: %s', (line) => {
    expect(line).toMatch(/^(?:[\w@%+=:,./~ >-]|'[\w@%+=:,./#-]+')+$/);
  });

  it.each(examples.map(({ line, path, command }) => [line, path, command] as const))(
    'have only arguments and options that the command has: %s',
    (line, path, command) => {
      const [words = ''] = line.split(' > ');
      const given = words.split(' ').slice(1 + path.split(' ').length);
      // The agent parses its own options.
      if (path === 'agent') return;
      const { operands, unknown } = command.parseOptions(given);
      expect(unknown).toEqual([]);
      const { registeredArguments } = command;
      const required = registeredArguments.filter(({ required: isRequired }) => isRequired);
      expect(operands.length).toBeGreaterThanOrEqual(required.length);
      const isVariadic = registeredArguments.some(({ variadic }) => variadic);
      expect(isVariadic || operands.length <= registeredArguments.length).toBe(true);
      for (const { mandatory, long } of command.options) {
        expect(!mandatory || given.some((word) => word === long || word === '-f')).toBe(true);
      }
    },
  );
});

describe('the command line', () => {
  it('has a command for every operation of the API', () => {
    const paths = leaves.map(({ path }) => path);
    for (const { id } of contractOperations) {
      expect({ id, verb: paths.includes(VERBS[id] ?? '') }).toEqual({ id, verb: true });
    }
    const ids = contractOperations.map(({ id }) => id);
    expect(Object.keys(VERBS).sort()).toEqual([...ids].sort());
  });
});
