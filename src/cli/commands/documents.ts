import { grantText } from '../connection/identity.ts';
import { DOCUMENT_KINDS, kindOf, type DocumentWord } from '../documents/kinds.ts';
import {
  WORKLOAD,
  YES,
  type ArgumentRow,
  type CommandRow,
  type CommandTable,
  type OptionRow,
} from '../run/command.ts';
import { operation } from '../run/operation.ts';

const MANIFEST: OptionRow = ['--manifest', 'print files that "apply -f" reads'];
const DRY_RUN: OptionRow = ['--dry-run', 'show the plan and stop; exit 2 if there are changes'];
const PLACES: ArgumentRow = ['<place...>', 'files, directories with everything below, or -'];

const SINCE: OptionRow = [
  '--since <time>',
  'a duration back from now such as 7d, or a time such as 2026-01-05',
  { fallback: '30d' },
];

/** A kind is deleted from only where the caller says that the files hold all of it. */
function prune(words: readonly DocumentWord[]): OptionRow {
  const description = `delete documents of these kinds that are not in the files: ${words.join(', ')}`;
  return ['--prune <kinds>', description, { words }];
}

const EXAMPLE_NAMES: Readonly<Record<DocumentWord, string>> = {
  cluster: 'prod',
  mount: 'payments',
  operator: 'alice',
  'role-binding': 'platform-team',
  definition: 'payments/db',
  policy: 'shop-web',
  'posture-profile': 'production',
  'response-rule': 'shells',
};

/** Builds ls, get, rm and versions of one kind; `apply` creates and changes documents. */
function documentCommands(word: DocumentWord): readonly CommandRow[] {
  const { plural, parameter, versions } = kindOf(word);
  const name: ArgumentRow = [
    `<${parameter}>`,
    parameter === 'path' ? 'path of the secret' : `name of the ${word}`,
  ];
  const example = EXAMPLE_NAMES[word];
  const load = () => import('../verbs/documents.ts');
  return [
    {
      command: `${word} ls`,
      summary: `list the ${plural}`,
      options: [MANIFEST],
      examples: [`quaymaster ${word} ls`, `quaymaster ${word} ls --manifest`],
      load: async () => (await load()).listDocuments(word),
    },
    {
      command: `${word} get`,
      summary: `show one ${word}`,
      arguments: [name],
      options: [MANIFEST],
      examples: [`quaymaster ${word} get ${example}`],
      load: async () => (await load()).getDocument(word),
    },
    {
      command: `${word} rm`,
      summary: `delete one ${word}; its versions are kept`,
      arguments: [name],
      options: [YES],
      examples: [`quaymaster ${word} rm ${example}`],
      load: async () => (await load()).removeDocument(word),
    },
    operation(versions, {
      command: `${word} versions`,
      summary: `list all versions of one ${word}`,
      arguments: [name],
      columns: { version: 'version', created: 'createdAt', by: 'createdBy', deleted: 'deleted' },
      examples: [`quaymaster ${word} versions ${example}`],
    }),
  ];
}

export const DOCUMENTS: CommandTable = {
  heading: 'Documents from files:',
  groups: {
    cluster: 'registered clusters, whose service accounts may log in; created and changed by apply',
    mount: 'backends attached at path prefixes; created and changed by apply',
    definition:
      'per-path settings (rotation, lease time, backend reference); created and changed by apply',
    'custom-resource': 'documents that come from Kubernetes',
  },
  commands: [
    {
      command: 'apply',
      summary: `apply files, showing the plan first: ${DOCUMENT_KINDS.map(({ plural }) => plural).join(', ')}`,
      options: [
        [
          '-f, --file <place>',
          'a file, a directory with everything below, or - for standard input; may be repeated',
          { isRequired: true, isRepeated: true },
        ],
        prune(DOCUMENT_KINDS.map(({ word }) => word)),
        DRY_RUN,
        YES,
      ],
      examples: [
        'quaymaster apply -f config/ --dry-run',
        'quaymaster apply -f config/ --prune policy --yes',
      ],
      load: async () => (await import('../verbs/apply.ts')).runApply,
    },
    ...documentCommands('cluster'),
    {
      command: 'cluster check',
      summary:
        'test what logins and watches need at a cluster: credential, clock, keys, reviews and rights; exit 1 if something is missing',
      arguments: [['<name>', 'name of the cluster']],
      examples: ['quaymaster cluster check prod'],
      load: async () => (await import('../verbs/documents.ts')).runClusterCheck,
    },
    {
      command: 'cluster enroll',
      summary: 'print a code with which a registered cluster may enrol, once, within 15 minutes',
      details:
        'The cluster then gives the broker a short-lived credential, which the broker renews. The document of the cluster must have apiServer. A new code replaces the one before it.',
      arguments: [['<name>', 'name of the cluster']],
      examples: ['quaymaster cluster enroll east > code'],
      load: async () => (await import('../verbs/enrolments.ts')).runEnroll,
    },
    {
      command: 'cluster join',
      summary: 'enrol the cluster in which this command runs, with a code',
      details:
        'It needs no login. The token is of the service account that the document of the cluster names, for the API server itself.',
      arguments: [['<name>', 'name of the cluster']],
      options: [
        ['--code-file <file>', 'file with the code', { isRequired: true }],
        ['--pod-token-file <file>', 'file with the token of the account', { isRequired: true }],
      ],
      examples: [
        'quaymaster cluster join east --url https://broker.example:8200 --code-file /run/enrol/code --pod-token-file /run/account/token',
      ],
      load: async () => (await import('../verbs/enrolments.ts')).runJoin,
    },
    operation('listEnrolments', {
      command: 'cluster enrolments',
      summary: 'list the clusters with an open code, or with a credential of their own',
      columns: {
        cluster: 'cluster',
        'code ends': ({ codeEndsAt }) => codeEndsAt ?? '',
        'credential ends': ({ credentialEndsAt }) => credentialEndsAt ?? '',
        'next renewal': ({ renewsAt }) => renewsAt ?? '',
      },
      examples: ['quaymaster cluster enrolments'],
    }),
    {
      command: 'cluster unenroll',
      summary:
        'end the code and the credential of a cluster; its logins stop until it enrols again',
      arguments: [['<name>', 'name of the cluster']],
      options: [YES],
      examples: ['quaymaster cluster unenroll east'],
      load: async () => (await import('../verbs/enrolments.ts')).runUnenroll,
    },
    ...documentCommands('mount'),
    {
      command: 'mount check',
      summary: 'test whether the backend allows what the mount needs; exit 1 if not',
      arguments: [['<name>', 'name of the mount']],
      examples: ['quaymaster mount check payments'],
      load: async () => (await import('../verbs/documents.ts')).runMountCheck,
    },
    ...documentCommands('definition'),
    {
      command: 'custom-resource prune',
      summary: 'delete documents that the broker keeps although their custom resources are gone',
      details:
        'The broker keeps documents if too many resources of a cluster disappear at once. Compare the list with the cluster first. It needs the role admin.',
      options: [['--cluster <name>', 'only documents of this cluster'], DRY_RUN, YES],
      examples: [
        'quaymaster custom-resource prune --dry-run',
        'quaymaster custom-resource prune --cluster prod',
      ],
      load: async () => (await import('../verbs/custom-resources.ts')).runCustomResourcePrune,
    },
  ],
};

export const POLICIES: CommandTable = {
  heading: 'Policies:',
  groups: {
    policy: 'access policies: who may do what; created and changed by apply',
    'posture-profile': 'what pods must be to get secrets; created and changed by apply',
    'response-rule': 'what the broker does after runtime alerts; created and changed by apply',
  },
  commands: [
    ...documentCommands('policy'),
    ...documentCommands('posture-profile'),
    ...documentCommands('response-rule'),
    {
      command: 'policy apply',
      summary: 'apply policy files, showing the plan first',
      arguments: [PLACES],
      options: [prune(['policy']), DRY_RUN, YES],
      examples: ['quaymaster policy apply policies/'],
      load: async () => (await import('../verbs/apply.ts')).runPolicyApply,
    },
    {
      command: 'policy diff',
      summary:
        "show how policy files differ from the broker's policies, and which workloads gain or lose access; exit 2 if they differ",
      details:
        'The gains and losses come from the live leases and the audit log: this part needs the roles policy-editor and auditor. Nothing is changed.',
      arguments: [PLACES],
      options: [prune(['policy']), SINCE],
      examples: [
        'quaymaster policy diff policies/',
        'quaymaster policy diff policies/ --prune policy --since 7d',
      ],
      load: async () => (await import('../verbs/policy-access.ts')).runPolicyDiff,
    },
    {
      command: 'policy replay',
      summary:
        'decide the requests of the audit log again, with policy files; exit 2 if one that was allowed would be denied',
      details:
        'A request that depends on facts that the log does not have is listed, never guessed. It needs the roles policy-editor and auditor. Nothing is changed.',
      arguments: [PLACES],
      options: [prune(['policy']), SINCE],
      examples: [
        'quaymaster policy replay policies/ --since 7d',
        'quaymaster policy replay policies/payments.yaml --since 24h --output json',
      ],
      load: async () => (await import('../verbs/policy-access.ts')).runPolicyReplay,
    },
    {
      command: 'policy unused',
      summary: 'list grants that no workload used, with their last use',
      details:
        'A grant is one path pattern of one allow rule. It needs the roles policy-editor and auditor.',
      options: [SINCE],
      examples: ['quaymaster policy unused', 'quaymaster policy unused --since 90d'],
      load: async () => (await import('../verbs/policy-access.ts')).runPolicyUnused,
    },
    {
      command: 'policy readers',
      summary: 'list for each secret who may read it by the policies, and who did by the log',
      details:
        'The secrets are those of the definitions and of the log. A line without reads is a rule that no workload used: its subjects may read the secret unless another rule denies it. It needs the roles policy-editor, secret-editor and auditor.',
      arguments: [['[prefix]', 'only secrets at and under this path']],
      options: [SINCE, ['--csv', 'print CSV with all columns']],
      examples: [
        'quaymaster policy readers payments',
        'quaymaster policy readers --since 90d --csv > readers.csv',
      ],
      load: async () => (await import('../verbs/policy-readers.ts')).runPolicyReaders,
    },
    {
      command: 'policy validate',
      summary: 'validate policy files; list every problem and exit 1 if there is one',
      arguments: [PLACES],
      options: [['--offline', 'use the rules of this program, without a broker']],
      examples: ['quaymaster policy validate policies/ --offline'],
      load: async () => (await import('../verbs/policies.ts')).runValidate,
    },
    {
      command: 'policy explain',
      summary: 'show what is decided for a workload and why; exit 3 if it is denied or blocked',
      details:
        'The answer includes everything else that the broker checks: cluster, pod, quarantine, mount, definition and revocations. With --entry it shows what was decided for an entry of the audit log, what changed since, and what the same caller would get now.',
      arguments: [
        ['[workload]', WORKLOAD],
        ['[path]', 'path of the secret'],
      ],
      options: [
        [
          '--entry <entry>',
          'instead of a workload: index of an entry of the audit log, or a request id',
        ],
        ['--capability <word>', 'read, list, write or rotate', { fallback: 'read' }],
        [
          '--source-address <address>',
          'address that the workload calls from',
          { fallback: '127.0.0.1' },
        ],
        ['--at <time>', 'decide for this time instead of now, such as 2026-01-05T10:00:00Z'],
        ['--sealed', 'decide for a session with sealed responses'],
        ['--no-sealed', 'decide for a session without sealed responses'],
        ['--pod-name <name>', 'with --pod-uid: name of the pod'],
        ['--pod-uid <uid>', 'with --pod-name: UID of the pod'],
        ['--label <key=value>', 'a label of the pod; may be repeated', { isRepeated: true }],
        ['--session <id>', 'include revocations of this session'],
      ],
      examples: [
        'quaymaster policy explain k8s://prod/shop/web payments/db --capability write --label app=web',
        'quaymaster policy explain --entry 1234',
      ],
      load: async () => (await import('../verbs/policies.ts')).runExplain,
    },
    {
      command: 'policy test',
      summary: 'run policy tests from files; exit 1 if one fails',
      arguments: [PLACES],
      options: [
        ['--policies <place>', 'use the policies of a file or directory, without a broker'],
      ],
      examples: [
        'quaymaster policy test tests/ --policies policies/',
        'quaymaster policy test tests/',
      ],
      load: async () => (await import('../verbs/policy-test.ts')).runPolicyTest,
    },
  ],
};

export const OPERATORS: CommandTable = {
  heading: 'Operators:',
  groups: {
    operator: 'people and machines that operate the broker; created and changed by apply',
    'role-binding':
      'roles of people who log in through an OpenID Connect issuer, and of pipelines that push evidence',
    'operator token': 'tokens that operators log in with',
  },
  commands: [
    ...documentCommands('operator'),
    ...documentCommands('role-binding'),
    {
      command: 'operator token create',
      summary: 'create a token and write it to a new file',
      arguments: [['<operator>', 'name of the operator']],
      options: [
        ['--out <file>', 'a file that does not exist yet; it gets mode 0600', { isRequired: true }],
        ['--ttl <duration>', 'lifetime, such as 8h; default: 1h, or until your own token expires'],
        [
          '--role <role>',
          "restrict the token to this role of the operator's, ROLE or ROLE:PATH,PATH; may be repeated",
          { isRepeated: true },
        ],
        [
          '--from <network>',
          'accept the token only from this network, such as 10.0.0.0/8; may be repeated',
          { isRepeated: true },
        ],
        ['--description <text>', 'what the token is for'],
      ],
      examples: [
        'quaymaster operator token create alice --out alice.token --ttl 8h',
        'quaymaster operator token create ci --out ci.token --role policy-editor --from 10.0.0.0/8',
      ],
      load: async () => (await import('../verbs/operator-tokens.ts')).runTokenCreate,
    },
    operation('listOperatorTokens', {
      command: 'operator token ls',
      summary: 'list the tokens of an operator',
      arguments: [['<operator>', 'name of the operator']],
      columns: {
        token: 'id',
        created: 'createdAt',
        expires: 'endsAt',
        roles: ({ carries }) => (carries.length === 0 ? 'none' : carries.map(grantText)),
        'created by': ({ mintedBy }) => mintedBy ?? '',
        kind: () => 'bearer',
        description: 'description',
      },
      examples: ['quaymaster operator token ls alice'],
    }),
    operation('revokeOperatorToken', {
      command: 'operator token revoke',
      summary: 'revoke a token at once',
      arguments: [
        ['<operator>', 'name of the operator'],
        ['<token>', 'id of the token'],
      ],
      text: (_body, [operator = '', id = '']) => `revoked token ${id} of ${operator}`,
      examples: ['quaymaster operator token revoke alice tok_01H8'],
    }),
    operation('endPersonLogins', {
      command: 'operator sign-out',
      summary: 'end all sessions of a person who logged in at an issuer',
      options: [['--person <person>', 'oidc:ISSUER/SUBJECT', { isRequired: true }]],
      body: ['person'],
      text: ({ ended }) => `ended ${ended} sessions`,
      examples: ['quaymaster operator sign-out --person oidc:corp/alice'],
    }),
  ],
};
