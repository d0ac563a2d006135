import { EXIT, type ExitCode } from './exit-codes.ts';

/** Something was done, and not all of it went well: the text says what, the code how it ends. */
export class Failed extends Error {
  readonly exitCode: ExitCode;

  constructor(message: string, exitCode: ExitCode = EXIT.failed, options?: ErrorOptions) {
    super(message, options);
    this.name = 'Failed';
    this.exitCode = exitCode;
  }
}
