import type { Command } from 'commander';
import type { CallId, ItemOf, SuccessBody } from '../../client/index.ts';
import type { Format } from '../output/formats.ts';
import type { Call, Verb } from '../connection/context.ts';

/** An argument as commander writes it, such as `<path>` or `[id]`. */
export type ArgumentRow = readonly [
  name: string,
  description: string,
  more?: { readonly choices?: readonly string[] },
];

export type OptionRow = readonly [
  flags: string,
  description: string,
  more?: {
    readonly choices?: readonly string[];
    readonly fallback?: string;
    readonly isRequired?: true;
    /** True: the option may be given several times; its values are collected. */
    readonly isRepeated?: true;
    /** Words that each value may have. The option is repeated like `isRepeated`, and each value may be a comma-separated list. */
    readonly words?: readonly string[];
    /** Words that a shell completes; the command itself checks the value. */
    readonly completes?: readonly string[];
  },
];

/** Texts of one command for the help and docs/commands.md. */
export interface CommandWords {
  /** Words of the command after the program's name, such as `lease ls`. */
  readonly command: string;
  /** One line without a full stop. */
  readonly summary: string;
  /** Whole sentences about facts that the summary and the options do not contain. */
  readonly details?: string;
  readonly arguments?: readonly ArgumentRow[];
  readonly options?: readonly OptionRow[];
  /** Whole command lines that can be pasted into bash and zsh. */
  readonly examples: readonly string[];
}

/** A command of the client: its code is loaded when it runs. */
export interface CommandRow extends CommandWords {
  /** True for a command that calls no broker: it has no connection options. */
  readonly isLocal?: true;
  /** Output formats that the command has in addition to those of every command. */
  readonly formats?: readonly Format[];
  /** `whole` creates the program with all commands. */
  readonly load: (whole: () => Command) => Promise<Verb<never>>;
}

/** A command of the program, outside the context of the client: it imports its code itself, and throws its failures. */
export interface ActionRow extends CommandWords {
  /** True for a command with the connection options of the client. */
  readonly mayConnect?: true;
  readonly run: (call: Call<never>) => Promise<void>;
}

/** The commands under one heading of the help. The tables hold words only. */
export interface CommandTable<Row extends CommandWords = CommandRow> {
  readonly heading: string;
  /** Descriptions of the words that several commands begin with, such as `lease`. */
  readonly groups?: Readonly<Record<string, string>>;
  readonly commands: readonly Row[];
}

/** The name of each cell, with the member that it shows or a function of the whole item. */
export type Cells<T> = Readonly<Record<string, (keyof T & string) | ((item: T) => unknown)>>;

/** Form of an answer for people. JSON and YAML show it as the API returns it. */
type Shown<Id extends CallId> =
  | { readonly columns: Cells<ItemOf<Id>> }
  | { readonly fields: Cells<NonNullable<SuccessBody<Id>>> }
  | { readonly text: (body: SuccessBody<Id>, args: readonly string[]) => string };

/** A command that is one operation of the API: it sends the arguments and options, and shows the answer. */
export type OperationRow<Id extends CallId> = CommandWords &
  Shown<Id> & {
    /** Options that are members of the request's body; the operation itself knows its path and query parameters. */
    readonly body?: readonly string[];
  };

export { WORKLOAD_FORMS as WORKLOAD } from '../../domain/identity/workload.ts';
export const YES: OptionRow = ['-y, --yes', 'do not ask for confirmation'];
export const COMMENT: OptionRow = ['--comment <text>', 'reason; recorded in the audit log'];
export const REASON: OptionRow = [
  '--reason <text>',
  'reason; recorded in the audit log',
  { isRequired: true },
];
