/** The type of a column; a question mark allows null. */
export type Column = 'text' | 'integer' | 'bytes' | 'text?' | 'integer?' | 'bytes?';

/** One table: its columns in the order of the migrations, and its primary key. */
export interface TableShape {
  readonly columns: Readonly<Record<string, Column>>;
  readonly key: readonly string[];
  /** The guard of the store that first covered all its rows with a digest, counted from 1. */
  readonly digestedSince?: number;
  /** The guard of the store that first computed the `mac` of each row, and checks it at every read. */
  readonly sealedSince?: number;
  /** Columns of a later release. The MAC covers each of them only if it is not null, so that older rows keep their MAC. */
  readonly laterColumns?: readonly string[];
}

declare const words: unique symbol;
/** A text column that holds one of a few words. */
export type OneOf<Word extends string> = 'text' & { readonly [words]: Word };

export function oneOf<Word extends string>(): OneOf<Word> {
  return 'text' as OneOf<Word>;
}
