import type { ExitCode } from './exit-codes.ts';

/** Somebody ended it from outside: there is nothing to explain, except how far it had come. */
export class Interrupted extends Error {
  readonly exitCode: ExitCode;
  /** Empty where nothing was begun. */
  readonly progress: string;

  constructor(exitCode: ExitCode, progress = '') {
    super('interrupted');
    this.name = 'Interrupted';
    this.exitCode = exitCode;
    this.progress = progress;
  }
}
