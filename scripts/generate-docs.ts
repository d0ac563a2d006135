import { readFileSync, writeFileSync } from 'node:fs';
import { createProgram } from '../src/program/program.ts';
import { withReference } from './command-line-page.ts';

/** `npm run generate`: writes the reference of docs/cli.md from the help. test/guards/command-line-page.test.ts fails if it is out of date. */
const page = 'docs/cli.md';
writeFileSync(page, withReference(readFileSync(page, 'utf8'), createProgram()));
