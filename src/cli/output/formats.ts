export const FORMATS = ['table', 'json', 'yaml'] as const;
/** `dotenv` is for commands that show values. */
export type Format = (typeof FORMATS)[number] | 'dotenv';
