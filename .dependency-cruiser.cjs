/** The arrows of ARCHITECTURE.md. Rule names are sentences because contributors read them when a rule fails. */
const room = (name) => `^src/${name}/`;
/** The one file of crypto that leaves JSON Object Signing and Encryption to the library whose subject it is. */
const ENCRYPTED_ANSWER = '^src/crypto/encryption/encrypted-answer\\.ts$';
/** The one file of crypto that leaves the encoding of certificates to a library. */
const SELF_SIGNED = '^src/crypto/certificates/self-signed\\.ts$';
const BACKUP_FILE = '^src/crypto/encryption/age\\.ts$';
/** The files that leave YAML to a library. */
const YAML = '^src/domain/text/(strict-yaml|yaml-[a-z]+)\\.ts$';
const KEYLESS = '^src/crypto/signatures/keyless-signature\\.ts$';
/** Files of the command line that make reports from answers of the broker. The console makes the same reports with them. */
const REPORTS = '^src/cli/(reports/|output/(csv|html)\\.ts$|kernel/(count|defined)\\.ts$)';
/** The one list of the systems behind connections: their settings, and how they open. */
const BACKENDS = '^src/program/config/backends\\.ts$';
/** The files of features that use adapters: their wiring, copies of the store and of the log, and what reads a cluster or keeps a file. */
const ADAPTER_USERS = [
  '^src/features/feature\\.ts$',
  '^src/features/[^/]+/feature\\.ts$',
  '^src/features/copies/',
  '^src/features/custom-resources/cluster-worker\\.ts$',
  '^src/features/alerts/held-alerts\\.ts$',
];
/** The types of the client, without its code. */
const CONTRACT_TYPES = '^src/client/contract-types\\.ts$';
/** The floors of the broker, from the ground. Each imports only those below it; the nouns stand on top of them. */
const FLOORS = ['kernel', 'model', 'state', 'access', 'recording'];
/** All imports from one noun of the broker to another. A new one is a decision: write down here why a port or a floor cannot carry it. */
const NOUN_ARROWS = [
  ['credentials', 'leases'],
  ['decisions', 'documents'],
  ['secrets', 'leases'],
  ['sessions', 'leases'],
];
const NOUN_TARGETS = [...new Set(NOUN_ARROWS.map(([, to]) => to))];
const rule = (name, from, to) => ({ name, severity: 'error', from, to });
module.exports = {
  forbidden: [
    rule('no-cycles', {}, { circular: true }),
    {
      ...rule('no-circles-of-folders', {}, { circular: true }),
      scope: 'folder',
    },
    rule('domain-is-pure', { path: room('domain'), pathNot: YAML }, { pathNot: room('domain') }),
    rule(
      'yaml-is-read-with-one-library',
      { path: YAML },
      { pathNot: [room('domain'), '(^|/)node_modules/js-yaml/'] },
    ),
    rule(
      'ports-know-the-domain-only',
      { path: room('ports') },
      { pathNot: '^src/(ports|domain)/' },
    ),
    rule(
      'crypto-is-a-leaf',
      { path: room('crypto'), pathNot: [ENCRYPTED_ANSWER, SELF_SIGNED, BACKUP_FILE, KEYLESS] },
      { pathNot: ['^src/(crypto|domain)/', '^(node:)?crypto$'] },
    ),
    rule(
      'encrypted-answers-are-jwe-of-jose',
      { path: ENCRYPTED_ANSWER },
      { pathNot: ['^src/(crypto|domain)/', '(^|/)node_modules/jose/'] },
    ),
    rule(
      'keyless-signatures-are-verified-by-sigstore',
      { path: KEYLESS },
      { pathNot: ['^src/(crypto|domain)/', '^(node:)?crypto$', '(^|/)node_modules/@sigstore/'] },
    ),
    rule(
      'backups-are-encrypted-with-one-library',
      { path: BACKUP_FILE },
      { pathNot: ['^(node:)?stream/web$', '(^|/)node_modules/age-encryption/'] },
    ),
    rule(
      'certificates-are-written-with-one-library',
      { path: SELF_SIGNED },
      { pathNot: ['^src/crypto/', '(^|/)node_modules/@peculiar/asn1-'] },
    ),
    rule(
      'node-crypto-only-in-crypto',
      { path: '^src/', pathNot: room('crypto') },
      { path: '^(node:)?crypto$', dependencyTypes: ['core'] },
    ),
    rule(
      'net-is-a-leaf',
      { path: room('net') },
      { path: '^src/', pathNot: '^src/(net|domain|ports)/' },
    ),
    rule(
      'broker-knows-ports-only',
      { path: room('broker') },
      { path: '^src/', pathNot: '^src/(broker|ports|domain|crypto)/' },
    ),
    ...FLOORS.map((floor, index) =>
      rule(
        `the-floor-${floor}-stands-on-the-floors-below`,
        { path: room(`broker/${floor}`) },
        { path: room('broker'), pathNot: room(`broker/(${FLOORS.slice(0, index + 1).join('|')})`) },
      ),
    ),
    rule(
      'nouns-of-the-broker-stand-on-the-floors',
      { path: '^src/broker/([^/]+)/', pathNot: room(`broker/(${FLOORS.join('|')})`) },
      {
        path: room('broker'),
        pathNot: [
          room(`broker/($1|${FLOORS.join('|')})`),
          ...NOUN_ARROWS.map(([, to]) => room(`broker/${to}`)),
        ],
      },
    ),
    ...NOUN_TARGETS.map((to) =>
      rule(
        `only-listed-nouns-know-${to}`,
        {
          path: room('broker'),
          pathNot: room(
            `broker/(${[to, ...NOUN_ARROWS.filter(([, each]) => each === to).map(([from]) => from)].join('|')})`,
          ),
        },
        { path: room(`broker/${to}`) },
      ),
    ),
    rule(
      'rotation-stands-on-the-broker',
      { path: room('rotation') },
      { path: '^src/', pathNot: '^src/(rotation|broker|ports|domain|crypto)/' },
    ),
    rule(
      'the-core-names-no-feature',
      { path: '^src/', pathNot: '^src/(features|program)/' },
      { path: room('features') },
    ),
    rule(
      'features-stand-on-the-core',
      { path: room('features'), pathNot: ADAPTER_USERS },
      { path: '^src/', pathNot: '^src/(features|api|rotation|broker|ports|domain|crypto)/' },
    ),
    rule(
      'features-are-strangers',
      { path: '^src/features/([^/]+)/' },
      { path: '^src/features/[^/]+/', pathNot: '^src/features/$1/' },
    ),
    rule(
      'adapters-are-strangers',
      { path: '^src/(auth|audit|store)/' },
      { path: '^src/', pathNot: '^src/($1|ports|domain|crypto|net)/' },
    ),
    rule(
      'providers-know-ports-only',
      { path: room('providers') },
      { path: '^src/', pathNot: '^src/(providers|ports|domain|crypto|net)/' },
    ),
    rule(
      'houses-are-strangers',
      { path: '^src/providers/([^/]+)/' },
      { path: '^src/providers/[^/]+/', pathNot: '^src/providers/($1|guard|server|sql|rotator)/' },
    ),
    rule(
      'api-calls-the-broker',
      { path: room('api') },
      { path: '^src/', pathNot: '^src/(api|rotation|broker|ports|domain|net)/' },
    ),
    rule(
      'config-reads-schemas-only',
      { path: '^src/program/config/', pathNot: BACKENDS },
      { path: '^src/', pathNot: ['^src/(program/config|domain)/', '/config\\.ts$'] },
    ),
    rule(
      'the-contract-knows-nothing',
      { path: room('openapi') },
      { path: '^src/', pathNot: room('openapi') },
    ),
    rule(
      'client-speaks-http-only',
      { path: room('client') },
      {
        path: '^src/',
        pathNot: '^src/(client|net|domain|crypto|ports)/|^src/process/clock\\.ts$',
      },
    ),
    rule(
      'client-has-one-door',
      { path: '^src/', pathNot: [room('client'), REPORTS] },
      { path: room('client'), pathNot: '^src/client/index\\.ts$' },
    ),
    rule(
      'reports-run-in-a-browser-too',
      { path: REPORTS },
      { pathNot: [REPORTS, CONTRACT_TYPES, '^src/(domain|ports/openapi)/'] },
    ),
    rule(
      'the-command-line-uses-the-client-only',
      { path: room('cli') },
      {
        path: '^src/',
        pathNot: '^src/(cli|client|net|domain|crypto|ports)/|^src/process/clock\\.ts$',
      },
    ),
    rule(
      'delivery-uses-the-client-only',
      { path: room('delivery') },
      {
        path: '^src/',
        pathNot: [
          '^src/(delivery|client|net|domain|crypto|ports)/|^src/process/(clock|core-files)\\.ts$',
        ],
      },
    ),
    rule(
      'agent-injector-and-csi-share-files-only',
      { path: '^src/delivery/(agent|csi|injector)/' },
      { path: '^src/delivery/(agent|csi|injector)/', pathNot: '^src/delivery/$1/' },
    ),
    rule(
      'what-deliveries-share-knows-none-of-them',
      { path: '^src/delivery/(files|settings)/' },
      { path: '^src/delivery/(agent|csi|injector)/' },
    ),
    rule(
      'the-console-knows-the-contract-and-reports-only',
      { path: '^console/' },
      {
        pathNot: [
          '^console/',
          '^src/ports/openapi/',
          CONTRACT_TYPES,
          REPORTS,
          '(^|/)node_modules/(@preact/|preact/|@codemirror/|@lezer/|@tanstack/|js-yaml/)',
        ],
      },
    ),
    rule('nothing-imports-the-console', { path: '^src/' }, { path: '^console/' }),
    rule('nothing-imports-main', { path: '^src/' }, { path: '^src/program/main\\.ts$' }),
    rule(
      'nothing-imports-the-program',
      { path: '^src/', pathNot: room('program') },
      { path: room('program') },
    ),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'default'],
    },
  },
};
