import js from '@eslint/js';

/** ESLint reads the few files in JavaScript. oxlint reads those in TypeScript (.oxlintrc.json), with a quarter of the processor time. */
export default [
  {
    ignores: [
      'dist/',
      'console/built/',
      'node_modules/',
      'coverage/',
      'bench-out/',
      'docs/site/.vitepress/{.temp,cache}/',
      // VitePress writes these files for a moment. ESLint fails if it finds one and cannot open it any more.
      'docs/site/.vitepress/*.timestamp-*',
    ],
  },
  {
    files: ['**/*.js', '**/*.cjs', '**/*.mjs'],
    rules: js.configs.recommended.rules,
    languageOptions: {
      globals: {
        process: 'readonly',
        module: 'writable',
        console: 'readonly',
        __dirname: 'readonly',
      },
    },
  },
  {
    files: ['docs/site/**/*.js'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector:
            "MemberExpression[property.name='pathname'][object.arguments.1.property.name='url']",
          message: 'The pathname of a directory with a blank has %20: use fileURLToPath.',
        },
      ],
    },
  },
];
