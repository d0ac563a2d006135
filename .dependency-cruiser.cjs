/** The arrows of ARCHITECTURE.md. Rule names are sentences because contributors read them when a rule fails. */
const room = (name) => `^src/${name}/`;
/** The one file of crypto that leaves JSON Object Signing and Encryption to the library whose subject it is. */
const SEALED_ANSWER = '^src/crypto/sealed-answer\\.ts$';
/** The one file of crypto that leaves the encoding of certificates to a library. */
const SELF_SIGNED = '^src/crypto/self-signed\\.ts$';
const BACKUP_FILE = '^src/crypto/age\\.ts$';
const KEYLESS = '^src/crypto/keyless-signature\\.ts$';
const rule = (name, from, to) => ({ name, severity: 'error', from, to });

module.exports = {
  forbidden: [
    rule('no-cycles', {}, { circular: true }),
    rule('domain-is-pure', { path: room('domain') }, { pathNot: room('domain') }),
    rule('ports-are-types', { path: room('ports') }, { pathNot: '^src/(ports|domain)/' }),
    rule(
      'text-is-a-leaf',
      { path: room('text') },
      { path: '^src/', pathNot: '^src/(text|domain)/' },
    ),
    rule(
      'crypto-is-a-leaf',
      { path: room('crypto'), pathNot: [SEALED_ANSWER, SELF_SIGNED, BACKUP_FILE, KEYLESS] },
      { pathNot: ['^src/(crypto|domain)/', '^(node:)?crypto$'] },
    ),
    rule(
      'sealed-answers-are-jwe-of-jose',
      { path: SEALED_ANSWER },
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
      { path: '^src/', pathNot: '^src/(net|text|domain|ports)/' },
    ),
    rule(
      'broker-knows-ports-only',
      { path: room('broker') },
      { path: '^src/', pathNot: '^src/(broker|ports|domain|crypto|text)/' },
    ),
    rule(
      'the-rotation-engine-stands-on-the-broker',
      { path: room('rotation') },
      { path: '^src/', pathNot: '^src/(rotation|broker|ports|domain|crypto|text)/' },
    ),
    rule(
      'adapters-are-strangers',
      { path: '^src/(auth|audit|store|trace)/' },
      { path: '^src/', pathNot: '^src/($1|ports|domain|crypto|net|text)/' },
    ),
    rule(
      'providers-know-ports-only',
      { path: room('providers') },
      { path: '^src/', pathNot: '^src/(providers|ports|domain|crypto|net|text)/' },
    ),
    rule(
      'houses-are-strangers',
      { path: '^src/providers/([^/]+)/' },
      { path: '^src/providers/[^/]+/', pathNot: '^src/providers/($1|guard|server|sql|rotator)/' },
    ),
    rule(
      'api-calls-the-broker',
      { path: room('api') },
      { path: '^src/', pathNot: '^src/(api|broker|rotation|ports|domain|net|text)/' },
    ),
    rule(
      'config-reads-schemas-only',
      { path: '^src/compose/config/' },
      {
        path: '^src/',
        pathNot: [
          '^src/(compose/config|domain|text)/',
          '/config\\.ts$',
          '^src/compose/backends\\.ts$',
        ],
      },
    ),
    rule(
      'only-main-composes',
      { path: '^src/', pathNot: '^src/((program|backup-commands)\\.ts$|compose/)' },
      { path: '^src/compose/' },
    ),
    rule(
      'client-speaks-http-only',
      { path: room('client') },
      { path: '^src/', pathNot: '^src/(client|net|domain|crypto|ports|text)/|^src/clock\\.ts$' },
    ),
    rule(
      'client-has-one-door',
      { path: '^src/', pathNot: room('client') },
      { path: room('client'), pathNot: '^src/client/index\\.ts$' },
    ),
    rule(
      'the-command-line-uses-the-client-only',
      { path: room('cli') },
      {
        path: '^src/',
        pathNot: '^src/(cli|client|net|domain|crypto|ports|text)/|^src/clock\\.ts$',
      },
    ),
    rule(
      'delivery-uses-the-client-only',
      { path: room('delivery') },
      {
        path: '^src/',
        pathNot: [
          '^src/(delivery|client|net|domain|crypto|ports|text)/|^src/(clock|core-files)\\.ts$',
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
