import js from '@eslint/js';
import tseslint from 'typescript-eslint';

const ban = (selector, message) => ({ selector, message });

const SYNTAX_BANS = [
  ban('ExportDefaultDeclaration', 'No default exports: one name, the same everywhere.'),
  ban(
    "MemberExpression[object.name='Math'][property.name='random']",
    'Randomness comes from src/crypto/random/random.ts.',
  ),
  ban(
    "MemberExpression[property.name='headersDistinct']",
    'headersDistinct throws on a header named __proto__ (CVE-2026-21710).',
  ),
];
const CLOCK_BANS = [
  ban(
    "CallExpression[callee.object.name='Date'][callee.property.name='now']",
    'Time comes from the Clock.',
  ),
  ban("NewExpression[callee.name='Date'][arguments.length=0]", 'Time comes from the Clock.'),
  ban('CallExpression[callee.name=/^set(Timeout|Interval)$/]', 'Timers come from the Clock.'),
  ban(
    "MemberExpression[object.name='AbortSignal'][property.name='timeout']",
    'Deadlines go by the Clock: src/ports/deadline.ts.',
  ),
];
const ENV_BANS = [
  ban(
    "MemberExpression[object.name='process'][property.name='env']",
    'The environment is read in src/compose/config only.',
  ),
];
const EXIT_BANS = [
  ban(
    "CallExpression[callee.object.name='process'][callee.property.name='exit']",
    'Only src/program/main.ts and src/compose/configuration/on-signals.ts end the process.',
  ),
];
const REVEAL_BANS = [
  ban(
    "CallExpression[callee.property.name='reveal']",
    'reveal() is called only where a value must leave; add the file to the list in eslint.config.js.',
  ),
];

/** Files in which a sensitive value has to leave its wrapper: to a backend, into a cipher, to the caller who may have it. */
const REVEALING_FILES = [
  'src/domain/secrets/sensitive.ts',
  'src/auth/**/*.ts',
  'src/providers/**/*.ts',
  'src/broker/**/*.ts',
  'src/api/routes/**/*.ts',
  'src/delivery/agent/child/environment.ts',
  'src/delivery/agent/holdings/holding.ts',
  'src/delivery/files/**/*.ts',
  'src/delivery/agent/local-api/**/*.ts',
  'src/delivery/csi/pod-sessions.ts',
  'src/compose/**/*.ts',
  'src/backup/**/*.ts',
  'src/dev/**/*.ts',
];
/** A spread of a literal makes the reader ask what is merged, and nothing is. */
const SPREAD_BANS = [
  ban('SpreadElement > ObjectExpression', 'Write the members of the object themselves.'),
  ban('SpreadElement > ArrayExpression', 'Write the elements of the array themselves.'),
];
const PATH_BANS = [
  ban(
    "MemberExpression[property.name='pathname'][object.arguments.1.property.name='url']",
    'The pathname of a directory with a blank has %20: use fileURLToPath.',
  ),
];
const ALL_BANS = [
  ...SYNTAX_BANS,
  ...PATH_BANS,
  ...SPREAD_BANS,
  ...CLOCK_BANS,
  ...ENV_BANS,
  ...EXIT_BANS,
  ...REVEAL_BANS,
];
/** Builds the bans without some. In flat config a later list replaces an earlier one, so each exception names the whole list less its own. */
const without = (...lists) => {
  const dropped = new Set(lists.flat());
  return { 'no-restricted-syntax': ['error', ...ALL_BANS.filter((entry) => !dropped.has(entry))] };
};

export default tseslint.config(
  {
    ignores: [
      'dist/',
      'console/built/',
      'node_modules/',
      'coverage/',
      'bench-out/',
      'src/ports/openapi/',
      'docs/site/.vitepress/{.temp,cache}/',
    ],
  },
  js.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx'],
    // The rules that need types are in .oxlintrc.json: oxlint uses the native TypeScript compiler, a quarter of the processor time.
    extends: [tseslint.configs.strict],
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/naming-convention': [
        'error',
        {
          selector: 'typeLike',
          format: ['PascalCase'],
          custom: {
            regex: '^(I[A-Z][a-z]|T[A-Z][a-z])|(Dto|Manager|Service|Helper|Util|Handler)s?$',
            match: false,
          },
        },
      ],
      'no-console': 'error',
      eqeqeq: 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      ...without(),
      complexity: ['error', 12],
      'max-params': ['error', 4],
      'max-depth': ['error', 3],
    },
  },
  {
    files: ['console/src/**'],
    rules: {
      complexity: ['error', 16],
      'max-depth': ['error', 3],
      'no-restricted-syntax': [
        'error',
        ...SYNTAX_BANS,
        ban(
          'JSXAttribute[name.name=/^(?:style|dangerouslySetInnerHTML)$/]',
          'The policy of the page allows no markup from text and no inline style.',
        ),
        ban(
          'MemberExpression[property.name=/^(?:localStorage|sessionStorage|innerHTML|outerHTML)$/], Identifier[name=/^(?:localStorage|sessionStorage|indexedDB)$/]',
          'The page keeps nothing in the browser, and builds no markup from text.',
        ),
      ],
    },
  },
  { files: REVEALING_FILES, rules: without(REVEAL_BANS) },
  { files: ['src/process/clock.ts'], rules: without(CLOCK_BANS) },
  { files: ['src/compose/config/**/*.ts'], rules: without(ENV_BANS) },
  { files: ['src/cli/run/run-verb.ts'], rules: without(ENV_BANS) },
  {
    files: ['src/program/main.ts', 'src/compose/configuration/on-signals.ts'],
    rules: without(EXIT_BANS),
  },
  { files: ['src/program/output.ts'], rules: { 'no-console': 'off' } },
  { files: ['src/delivery/agent/main.ts'], rules: without(EXIT_BANS, ENV_BANS) },
  {
    files: ['src/cli/**/*.ts', 'bench/**/*.ts', 'test/kit/backends/**/*.ts'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['scripts/**/*.ts', 'docs/site/**/*.js'],
    rules: { 'no-restricted-syntax': ['error', ...PATH_BANS] },
  },
  {
    files: ['test/**/*.ts', 'bench/**/*.ts'],
    rules: {
      'no-restricted-syntax': ['error', ...PATH_BANS, ...SPREAD_BANS],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/explicit-module-boundary-types': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.cjs', '**/*.mjs'],
    languageOptions: {
      globals: {
        process: 'readonly',
        module: 'writable',
        console: 'readonly',
        __dirname: 'readonly',
      },
    },
  },
);
