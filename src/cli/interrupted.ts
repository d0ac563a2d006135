import type { ExitCode } from './exit-codes.ts';

/** Somebody ended it from outside: there is nothing to explain. */
export class Interrupted extends Error {
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super('interrupted');
    this.name = 'Interrupted';
    this.exitCode = exitCode;
  }
}
