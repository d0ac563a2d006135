import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  it,
  jest,
} from '@jest/globals';
import { runProgram } from '../../src/program/program.ts';
import { fileTree } from '../kit/files/file-tree.ts';
import { RunningApi } from '../kit/api/running-api.ts';

/**
 * The mistakes that people make, as a table: what they type, the exit code, and what the message must say: what happened, to what, why, and what to
 * do next. All rows share one broker, and the program runs in this process. The mistakes in values of the chart are in test/deploy/chart.real.test.ts,
 * those in annotations of pods in test/unit/delivery/injector.
 */
type Row = readonly [
  what: string,
  words: string,
  code: number,
  ...says: readonly (string | RegExp)[],
];

const HEADER = 'apiVersion: quaymaster.dev/v1';
const CONFIG = `store: { type: sqlite, path: /nowhere/store/store.db }
kek: { type: local-file, path: /nowhere/kek }
audit: { origin: a.test/x, logKeyFile: /nowhere/log.pem, checkpointFile: /nowhere/checkpoint }
`;

function document(kind: string, name: string, spec: string): string {
  return `${HEADER}\nkind: ${kind}\nmetadata: { name: ${name} }\nspec: ${spec}\n`;
}

function policyOf(subject: string, path: string): string {
  const rule = `{ name: r, effect: allow, paths: ['${path}'], capabilities: [read] }`;
  return document('AccessPolicy', 'p', `{ subjects: [${subject}], rules: [${rule}] }`);
}

const SUBJECT = '{ clusters: [c1], namespaces: [prod], serviceAccounts: [web] }';

const FILES = {
  value: 'v',
  large: 'a'.repeat(65_536),
  huge: 'a'.repeat(2_100_000),
  'not-a-token': 'hello',
  'numbers.json': '{"port": 5432}',
  'broken.json': '{',
  'unknown-field.yaml': document(
    'Mount',
    'team',
    '{ prefix: team, connection: embedded, leaseTTL: 1h }',
  ),
  'connection.yaml': document('Mount', 'team', '{ prefix: team, connection: embeded }'),
  'several.yaml': [
    document('Mount', 'app2', '{ prefix: app/team, connection: embeded, leaseTTL: 1h }'),
    document('Cluster', 'prod', '{ connection: kyes, issuer: "https://i.test", audiences: [] }'),
    document('Definition', 'team/db', '{ leaseTtl: 60 }'),
    policyOf('{ clusters: [porduction], namespaces: [prod], serviceAccounts: [web] }', 'app/**'),
    policyOf(SUBJECT, 'app/**').replace('effect: allow', 'effect: alow'),
  ].join('---\n'),
  'nested.yaml': document('Mount', 'team', '{ prefix: app/team, connection: embedded }'),
  'window.yaml': document(
    'Mount',
    'team',
    '{ prefix: team, connection: embedded, options: { undeleteWindow: 91d } }',
  ),
  'number.yaml': document('Definition', 'app/db', '{ leaseTtl: 60 }'),
  'cron.yaml': document(
    'Definition',
    'app/db',
    "{ rotation: { strategy: generated, options: { keys: { k: {} } }, schedule: { cron: '61 * * * *' } } }",
  ),
  'strategy.yaml': document(
    'Definition',
    'app/db',
    '{ rotation: { strategy: alternatingusers, options: {}, schedule: { every: 30d } } }',
  ),
  'role.yaml': document('Operator', 'eva', '{ grants: [{ role: admn }] }'),
  'bare.yaml': 'subjects: []\nrules: []\n',
  'audience.yaml': document(
    'Cluster',
    'prod',
    '{ connection: keys, issuer: "https://i.test", audiences: [] }',
  ),
  'kind.yaml': document('Mout', 'team', '{}'),
  'star.yaml': policyOf('{ clusters: [*], namespaces: [prod], serviceAccounts: [web] }', 'app/**'),
  'open.yaml': `${HEADER}\nkind: Mount\nmetadata: { name: team }\nspec: [\n`,
  'absent.yaml': policyOf(
    '{ clusters: [porduction], namespaces: [prod], serviceAccounts: [web] }',
    'payment/**',
  ),
  'both.yaml': `${policyOf(SUBJECT, 'team/**')}---\n${document('Mount', 'team', '{ prefix: team, connection: embedded }')}`,
  'key.config': `listener: { prot: 8200 }\n${CONFIG}`,
  'type.config': `listener: { port: "x" }\n${CONFIG}`,
  'bracket.config': `listener: [\n${CONFIG}`,
  'open.config': `listener: { host: 0.0.0.0 }\n${CONFIG}`,
  'files.config': CONFIG,
};

const SECRETS: readonly Row[] = [
  [
    'put drops keys',
    'put app/db password=@DIR/value',
    6,
    'app/db: the new version would drop 2 keys: host, user',
    'quaymaster patch app/db',
    '--replace',
  ],
  [
    'put --create of an existing secret',
    'put app/db password=@DIR/value --create',
    6,
    'app/db exists already',
    'leave out --create',
    'quaymaster patch app/db',
  ],
  [
    'put of another version',
    'put app/db password=@DIR/value --if-version 9',
    6,
    'ERR_VERSION_CONFLICT',
    'read it again',
  ],
  [
    'put with a value',
    'put app/db password=hunter2',
    64,
    'a value is never an argument',
    'KEY=@FILE',
  ],
  ['put without a file name', 'put app/db password=@', 64, 'password=@: name a file after the @'],
  [
    'put of a missing file',
    'put app/db password=@DIR/none',
    64,
    /the file \S+\/none with the value of password does not exist/,
  ],
  [
    'put with a leading slash',
    'put /app/db password=@DIR/value',
    64,
    'a path has no slash at its beginning and end',
  ],
  [
    'put with a letter that no path has',
    'put app/ü password=@DIR/value',
    64,
    'its parts have letters of a-z, digits and . _ + = @ -',
  ],
  [
    'put where no mount is',
    'put nope/db password=@DIR/value',
    4,
    'no mount covers this path; mounts: app',
  ],
  ['rm where no mount is', 'rm nope/db --yes', 4, 'no mount covers this path; mounts: app'],
  ['undelete where no mount is', 'undelete nope/db', 4, 'no mount covers this path; mounts: app'],
  [
    'undelete of a secret that never was',
    'undelete app/never',
    4,
    'no secret "app/never"',
    'list them: quaymaster ls',
  ],
  [
    'undelete of another version',
    'undelete app/db --version 9',
    6,
    'version 1 is current, and undelete never replaces a current version',
  ],
  ...[
    'get app/db --version 99',
    'get app/db --version abc',
    'destroy app/db --versions 99 --yes',
    'diff app/db --from 99',
    'cp app/db app/copy --version 99',
  ].map((words): Row => [
    'a version that does not exist',
    `${words} --token-file DIR/reader`,
    4,
    /app\/db has no version (?:99|abc); versions: 1\n/,
    'list them: quaymaster versions app/db',
  ]),
  [
    'put of a mount itself',
    'put app password=@DIR/value',
    4,
    'no mount covers this path; mounts: app',
  ],
  [
    'put with an empty segment',
    'put app//db password=@DIR/value',
    64,
    'a path has no slash at its beginning and end',
  ],
  [
    'put of a value that is too large',
    'put app/big v=@DIR/large',
    1,
    'the secret has 65544 bytes as JSON; the limit is 65536 (limits.maxValueBytes)',
  ],
  [
    'put of a body that is too large',
    'put app/big v=@DIR/huge',
    1,
    'the body has 2100017 bytes; the limit of this operation is 2097152',
  ],
  [
    'patch --remove of a key that is not there',
    'patch app/db --remove nokey',
    6,
    'app/db: the secret has no key "nokey"',
    'to list its keys: quaymaster get app/db',
  ],
  [
    'ls of nothing',
    'ls app/nothing/',
    0,
    'no secret that you may list below app/nothing; mounts: ',
  ],
  [
    'a label without a value',
    'put app/db a=@DIR/value --label team',
    64,
    '--label team: must be KEY=VALUE, such as ticket=OPS-7',
  ],
  [
    'a number in JSON',
    'put app/new --from-json DIR/numbers.json',
    64,
    'the value of port must be a string',
    'put quotes around a number',
  ],
  [
    'a file that is not JSON',
    'put app/new --from-json DIR/broken.json',
    64,
    '--from-json: the file is not valid JSON',
  ],
  [
    'a missing JSON file',
    'put app/new --from-json DIR/none.json',
    64,
    /--from-json: the file \S+none\.json does not exist/,
  ],
  ['rm without a terminal', 'rm app/db', 64, 'stdin is not a terminal; pass --yes to confirm'],
  [
    'destroy without a terminal',
    'destroy app/db',
    64,
    'stdin is not a terminal; pass --yes to confirm',
  ],
  [
    'get without the role',
    'get app/db',
    3,
    'ERR_DENIED: this needs the role secret-reader',
    'the token has admin',
    'quaymaster whoami',
  ],
];

const OBJECTS: readonly Row[] = [
  ['mount get', 'mount get nope', 4, 'no mount "nope"', 'quaymaster mount ls'],
  ['mount check', 'mount check nope', 4, 'no mount "nope"', 'quaymaster mount ls'],
  ['lease get', 'lease get lea_nope', 4, 'no lease "lea_nope"', 'quaymaster lease ls'],
  [
    'the token of an unknown operator',
    'operator token create absent --out DIR/new.token',
    4,
    'no operator "absent"',
    'quaymaster operator ls',
  ],
  [
    'the last admin',
    'operator rm bootstrap --yes',
    6,
    '"bootstrap" is the last operator with the role admin',
    'create another admin first',
  ],
  [
    'revoking nothing',
    'lease revoke --path app/none --yes',
    4,
    'no live lease matches path app/none; nothing was revoked',
  ],
  [
    'ending nothing',
    'session end --cluster c1 --pod none --yes',
    4,
    'no session matches',
    'nothing was ended',
  ],
  [
    'rotating what does not rotate',
    'rotate run app/db',
    6,
    'this path does not rotate',
    '"rotation"',
  ],
  [
    'the status of what does not rotate',
    'rotate status app/db',
    4,
    'no rotation of "app/db"',
    'quaymaster rotate ls',
  ],
  [
    'a proof of no entry',
    'audit proof 999999',
    4,
    'the log has no entry 999999',
    'quaymaster audit search --limit 1',
  ],
];

const AUDIT: readonly Row[] = [
  [
    'an unknown outcome',
    'audit search --outcome denied',
    64,
    '--outcome denied: must be one of ok, deny, error',
  ],
  [
    'an unknown action',
    'audit search --action secrets.read',
    64,
    '--action secrets.read: must be a word of docs/audit.md, such as session.read',
    'secret.read',
  ],
  [
    'an unknown code',
    'audit search --code DENIED',
    64,
    '--code DENIED: must be a word of docs/audit.md, such as ERR_DENIED',
    'ERR_DENIED',
  ],
  [
    'a half workload',
    'audit search --workload shop/web',
    64,
    'must be k8s://<cluster>/<namespace>/<serviceaccount>',
  ],
  [
    'a word for a time',
    'audit search --from yesterday',
    64,
    '--from yesterday: must be a time such as',
    'such as 2h',
  ],
  ['two beginnings', 'audit search --from 2026-01-05 --since 2h', 64, 'use one of them'],
  [
    'explain of a half workload',
    'policy explain shop/web app/db',
    64,
    'the workload must have the form k8s://<cluster>',
  ],
  [
    'explain of an unknown cluster',
    'policy explain k8s://prod/shop/web app/db',
    3,
    'no cluster "prod" is registered',
  ],
  [
    'explain of a path without mount',
    'policy explain k8s://c1/prod/web nope/db',
    3,
    'no mount covers the path "nope/db"',
  ],
];

const DOCUMENTS: readonly Row[] = [
  [
    'an unknown field',
    'apply --dry-run -f DIR/unknown-field.yaml',
    64,
    'unknown-field.yaml:4:',
    '/spec/leaseTTL is not a known field; did you mean "leaseTtl"?',
  ],
  [
    'an unknown connection',
    'apply --dry-run -f DIR/connection.yaml',
    64,
    'connection.yaml:4:',
    'no such connection in the configuration file: "embeded"; did you mean "embedded"?',
  ],
  [
    'wrong fields and wrong names in one run',
    'apply --dry-run -f DIR/several.yaml',
    64,
    'several.yaml:4:58: /spec/leaseTTL is not a known field; did you mean "leaseTtl"?',
    'several.yaml:4:39: /spec/connection no such connection in the configuration file: "embeded"; did you mean "embedded"?',
    'several.yaml:4:17: /spec/prefix its prefix nests with that of the mount "app"',
    'several.yaml:9:64: /spec/audiences must have at least 1 items',
    '/spec/connection no kubernetes, jwks, spiffe or enrolled connection of this name in the configuration file: "kyes"; did you mean "keys"?',
    '/spec/leaseTtl must be a duration such as 30s, 15m, 1h or 7d',
    'several.yaml:14:7: /spec no mount covers this path; create the mount first',
    'warning: policy "p": no cluster "porduction" is registered; clusters: c1, prod',
    '/spec/rules/0/effect must be allow or deny',
  ],
  ['a directory without -f', 'apply DIR', 64, 'quaymaster apply -f config/'],
  [
    'a policy without its envelope',
    'apply --dry-run -f DIR/bare.yaml',
    64,
    'bare.yaml',
    '/kind must be one of Cluster, Mount,',
  ],
  [
    'a prefix inside another',
    'apply --dry-run -f DIR/nested.yaml',
    64,
    'its prefix nests with that of the mount "app"',
  ],
  [
    'a window out of bounds',
    'apply --dry-run -f DIR/window.yaml',
    64,
    '/spec/options/undeleteWindow is 0s to 90d, for example 12h or 7d',
  ],
  [
    'a number for a duration',
    'apply --dry-run -f DIR/number.yaml',
    64,
    '/spec/leaseTtl must be a duration such as 30s, 15m, 1h or 7d',
  ],
  [
    'a bad cron expression',
    'apply --dry-run -f DIR/cron.yaml',
    64,
    '/spec/rotation/schedule/cron is not a cron expression of five fields',
  ],
  [
    'an unknown strategy',
    'apply --dry-run -f DIR/strategy.yaml',
    64,
    'strategy.yaml:4:',
    /strategy .*must be one of|strategy/,
  ],
  [
    'an unknown role',
    'apply --dry-run -f DIR/role.yaml',
    64,
    '/spec/grants/0/role must be one of: policy-editor, secret-editor',
  ],
  [
    'no audience',
    'apply --dry-run -f DIR/audience.yaml',
    64,
    '/spec/audiences must have at least 1 items',
  ],
  [
    'an unknown kind',
    'apply --dry-run -f DIR/kind.yaml',
    64,
    'kind.yaml:2:',
    'must be one of Cluster, Mount, Operator, RoleBinding, Definition, AccessPolicy, PostureProfile, ResponseRule',
  ],
  [
    'a star without quotes',
    'apply --dry-run -f DIR/star.yaml',
    64,
    'star.yaml:4:',
    "put quotes around a text that begins with * or &, for example '*'",
  ],
  [
    'a open bracket',
    'apply --dry-run -f DIR/open.yaml',
    64,
    'open.yaml:5:1: is not valid YAML',
    'is not closed',
  ],
  [
    'a policy of an unknown cluster',
    'apply --dry-run -f DIR/absent.yaml',
    2,
    'warning: policy "p": no cluster "porduction" is registered; clusters: c1',
    'warning: policy "p": no mount covers the path payment/**; prefixes: app',
  ],
  [
    'the same at validate',
    'policy validate DIR/absent.yaml',
    0,
    '1 valid',
    'no cluster "porduction" is registered',
    'no mount covers the path payment/**',
  ],
  ['no such file', 'apply --dry-run -f DIR/none.yaml', 64, 'none.yaml'],
  ['no document for a policy test', 'policy test DIR/value --policies DIR/both.yaml', 64, 'value'],
];

const SETTINGS: readonly Row[] = [
  [
    'a misspelled key',
    'config check -c DIR/key.config',
    2,
    'key.config:1:13: /listener: unknown key "prot"; did you mean "port"?',
  ],
  [
    'a wrong type',
    'config check -c DIR/type.config',
    2,
    'type.config:1:13: /listener/port: must be of type number',
  ],
  [
    'a open bracket',
    'config check -c DIR/bracket.config',
    2,
    'bracket.config:2:1: is not valid YAML',
  ],
  [
    'no TLS on all addresses',
    'config check -c DIR/open.config',
    2,
    '/listener/tls',
    'plaintextBehindProxy: true',
  ],
  [
    'missing files',
    'config check --files -c DIR/files.config',
    2,
    /kek does not exist; create it with: quaymaster init/,
  ],
  [
    'serve before init',
    'serve -c DIR/files.config',
    2,
    'log.pem: does not exist; create the missing keys and the store with: quaymaster init',
  ],
  ['no configuration', 'config check -c DIR/none.config', 2, 'none.config cannot be read'],
  [
    'a port in use',
    'dev --directory DIR/dev --port PORT',
    2,
    'another process uses the port',
    'quaymaster dev --port',
  ],
  [
    'a directory that cannot be used',
    'dev --directory DIR/value/dev --port PORT',
    2,
    /value\/dev cannot be used \(ENOTDIR\); choose a directory that you may write: --directory/,
  ],
  [
    'a wrong log key',
    'audit verify DIR --log-key nonsense',
    2,
    '--log-key is not the verifier key of a log',
    'quaymaster init prints it',
  ],
];

const CONNECTIONS: readonly Row[] = [
  [
    'no such profile',
    'ls --profile nope',
    64,
    'profile "nope" does not exist',
    'quaymaster profile ls',
    'quaymaster login --name nope',
  ],
  [
    'a file without a token',
    'login --name x --url URL --token-file DIR/not-a-token',
    64,
    'not-a-token does not contain a Quaymaster token',
  ],
  [
    'an issuer that the broker does not have',
    'login --name x --url URL --issuer corp',
    4,
    'the broker has no issuer of that name',
    'people.issuers',
    '--token-file FILE',
  ],
  ['no token file', 'login --name x --url URL --token-file DIR/none', 64, /none does not exist/],
  [
    'a CA file without a certificate',
    'login --name x --url URL --token-file DIR/token --ca DIR/value',
    64,
    'contains no certificate in PEM',
  ],
  [
    'no TLS away from loopback',
    'login --name x --url http://example.org --token-file DIR/token',
    64,
    'must be https://, except on loopback',
  ],
  [
    'https to a plain port',
    'login --name x --url TLSURL --token-file DIR/token',
    5,
    'the URL of a broker without TLS begins with http://',
  ],
  [
    'an unknown cluster',
    'login --name x --url URL --cluster nope --pod-token-file DIR/pod-token',
    3,
    'ERR_TOKEN_INVALID',
    'quaymaster audit search --request-id ID',
  ],
  [
    'no broker there',
    'ls --url http://127.0.0.1:9 --token-file DIR/token',
    5,
    'no response',
    'check that the broker runs and that its URL is right',
  ],
  [
    'an operation of operators with the session of a workload',
    'mount ls --token-file DIR/session',
    3,
    'ERR_DENIED: only operators may call this; the session is of a workload',
    'log in as an operator with quaymaster login --token-file FILE',
  ],
  ['config view', 'config view', 64, 'quaymaster profile ls', 'quaymaster config check'],
  ['-v', '-v', 64, 'the version: quaymaster --version'],
  [
    '--duration',
    'quarantine add k8s://c1/prod/web --duration 4h --reason x',
    64,
    'how long something lasts: --for 4h',
  ],
  ['a misspelled command', 'statuss', 64, "unknown command 'statuss'", 'Did you mean status?'],
  [
    'an option of another command',
    'lease revoke --cluster c1',
    64,
    "unknown option '--cluster'",
    '--help',
  ],
];

const PLACES = { DIR: '', URL: '', TLSURL: '', PORT: '' };
type Place = keyof typeof PLACES;

const { argv, env } = process;
let api: RunningApi;
let printed = '';

beforeAll(async () => {
  api = await RunningApi.start();
  await api.seed();
  const body = { data: { host: 'h', user: 'u' } };
  await api.call('PUT', '/api/v1/secrets/app/db', { token: api.admin, body });
  const pod = api.serviceAccountToken();
  const session = await api.logIn();
  const reader = await api.operator('rea', [{ role: 'secret-reader' }, { role: 'secret-editor' }]);
  const tokens = { token: api.admin, reader, session, 'pod-token': pod };
  const directory = await fileTree({ ...FILES, ...tokens });
  Object.assign(PLACES, {
    DIR: directory,
    URL: api.url,
    TLSURL: api.url.replace('http:', 'https:'),
    PORT: String(api.port),
  });
  const variables = {
    XDG_CONFIG_HOME: join(directory, 'config'),
    QUAYMASTER_URL: api.url,
    QUAYMASTER_TOKEN_FILE: join(directory, 'token'),
  };
  process.env = { ...env, ...variables };
});
afterAll(async () => {
  process.env = env;
  process.argv = argv;
  process.exitCode = undefined;
  await api.stop();
  await rm(PLACES.DIR, { recursive: true });
});

beforeEach(() => {
  printed = '';
  const keep = (text: unknown, ...rest: readonly unknown[]): boolean => {
    printed += String(text);
    const written = rest.at(-1);
    if (typeof written === 'function') (written as () => void)();
    return true;
  };
  jest.spyOn(process.stderr, 'write').mockImplementation(keep);
  jest.spyOn(process.stdout, 'write').mockImplementation(keep);
  for (const name of ['log', 'error'] as const) {
    jest.spyOn(console, name).mockImplementation((text) => void keep(`${String(text)}\n`));
  }
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** Runs the program with these words. @returns its exit code */
async function run(words: string): Promise<number> {
  const given = words
    .split(' ')
    .map((word) =>
      word.replaceAll(/\b(?:DIR|TLSURL|URL|PORT)\b/g, (name) => PLACES[name as Place]),
    );
  process.argv = ['node', 'quaymaster', ...given];
  process.exitCode = undefined;
  const code = await runProgram();
  const { exitCode } = process as { exitCode?: number | string };
  return code ?? Number(exitCode ?? 0);
}

describe.each([
  ['secrets', SECRETS],
  ['objects', OBJECTS],
  ['the audit log', AUDIT],
  ['documents', DOCUMENTS],
  ['the configuration', SETTINGS],
  ['connections', CONNECTIONS],
])('a mistake with %s', (_, rows) => {
  it.each(rows)('is explained: %s: %s', async (_what, words, code, ...says) => {
    const ended = await run(words);
    for (const each of says) {
      if (typeof each === 'string') expect(printed).toContain(each);
      else expect(printed).toMatch(each);
    }
    expect(ended).toBe(code);
    expect(printed).not.toMatch(/^\s+at /m);
  });
});
