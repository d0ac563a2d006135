import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { createProgram } from '../src/program/program.ts';
import { COMMAND_PAGE, commandPage } from './command-line-page.ts';
import { withTests } from './threat-page.ts';

/**
 * `npm run generate`: writes docs/commands.md from the help, and the tests of internals/threat-coverage.md from their titles.
 * test/guards/command-line-page.test.ts and test/guards/threat-coverage.test.ts fail if a page is out of date.
 */
const textOf = (path: string) => readFileSync(path, 'utf8');
const rewrite = (page: string, by: (text: string) => string) => {
  writeFileSync(page, by(textOf(page)));
};

writeFileSync(COMMAND_PAGE, commandPage(createProgram()));
const tests = globSync('test/**/*.ts').sort();
rewrite('internals/threat-coverage.md', (page) =>
  withTests(
    page,
    tests.map((path) => ({ path, text: textOf(path) })),
  ),
);
