/** The arrows of ARCHITECTURE.md. Rule names are sentences because they are what a contributor reads. */
const room = (name) => `^src/${name}/`;
const ADAPTERS = '^src/(providers|auth|kms|rotation|audit|store)/';
/** The one file of crypto that leaves JSON Object Signing and Encryption to the library whose subject it is. */
const SEALED_ANSWER = '^src/crypto/sealed-answer\\.ts$';
/** The one file of crypto that leaves the encoding of certificates to a library. */
const SELF_SIGNED = '^src/crypto/self-signed\\.ts$';
const rule = (name, from, to) => ({ name, severity: 'error', from, to });

module.exports = {
  forbidden: [
    rule('no-cycles', {}, { circular: true }),
    rule('domain-is-pure', { path: room('domain') }, { pathNot: room('domain') }),
    rule('ports-are-types', { path: room('ports') }, { pathNot: '^src/(ports|domain)/' }),
    rule(
      'crypto-is-a-leaf',
      { path: room('crypto'), pathNot: [SEALED_ANSWER, SELF_SIGNED] },
      { pathNot: ['^src/(crypto|domain)/', '^(node:)?crypto$'] },
    ),
    rule(
      'sealed-answers-are-jwe-of-jose',
      { path: SEALED_ANSWER },
      { pathNot: ['^src/(crypto|domain)/', '(^|/)node_modules/jose/'] },
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
      'broker-knows-ports-only',
      { path: room('broker') },
      { path: '^src/', pathNot: '^src/(broker|ports|domain|crypto)/' },
    ),
    rule(
      'adapters-are-strangers',
      { path: ADAPTERS },
      { path: '^src/', pathNot: '^src/($1|ports|domain|crypto|upstream)/' },
    ),
    rule(
      'upstream-is-a-leaf',
      { path: room('upstream') },
      { path: '^src/', pathNot: '^src/(upstream|ports|domain)/' },
    ),
    rule(
      'providers-are-strangers',
      { path: '^src/providers/([^/]+)/' },
      { path: '^src/providers/[^/]+/', pathNot: '^src/providers/$1/' },
    ),
    rule(
      'rotators-are-strangers',
      { path: '^src/rotation/([^/]+)/' },
      { path: '^src/rotation/[^/]+/', pathNot: '^src/rotation/$1/' },
    ),
    rule(
      'api-calls-the-broker',
      { path: room('api') },
      { path: '^src/', pathNot: '^src/(api|broker|ports|domain|listener)/' },
    ),
    rule(
      'listener-is-a-leaf',
      { path: room('listener') },
      { path: '^src/', pathNot: '^src/(listener|domain)/' },
    ),
    rule(
      'config-reads-schemas-only',
      { path: room('config') },
      { path: '^src/', pathNot: ['^src/(config|domain)/', '/config\\.ts$'] },
    ),
    rule(
      'only-main-composes',
      { path: '^src/', pathNot: '^src/(program\\.ts$|compose/|dev/)' },
      { path: '^src/compose/' },
    ),
    rule(
      'client-speaks-http-only',
      { path: room('client') },
      { path: '^src/', pathNot: '^src/(client|domain|crypto|ports)/|^src/clock\\.ts$' },
    ),
    rule(
      'client-has-one-door',
      { path: '^src/', pathNot: room('client') },
      { path: room('client'), pathNot: '^src/client/index\\.ts$' },
    ),
    rule(
      'callers-use-the-client-only',
      { path: '^src/(agent|cli)/' },
      { path: '^src/', pathNot: '^src/($1|client|domain|crypto|ports)/|^src/clock\\.ts$' },
    ),
    rule(
      'csi-writes-and-answers-as-the-agent-does',
      { path: room('csi') },
      {
        path: '^src/',
        pathNot: [
          '^src/(csi|client|domain|crypto|ports)/|^src/clock\\.ts$',
          '^src/agent/(bounded-server|delivery/(secret-renderer|target))\\.ts$',
        ],
      },
    ),
    rule(
      'injector-knows-no-broker',
      { path: room('injector') },
      { path: '^src/', pathNot: '^src/(injector|domain|ports|crypto|upstream|listener)/' },
    ),
    rule('nothing-imports-main', { path: '^src/' }, { path: '^src/main\\.ts$' }),
    rule(
      'only-main-is-the-program',
      { path: '^src/', pathNot: '^src/main\\.ts$' },
      { path: '^src/program\\.ts$' },
    ),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
  },
};
