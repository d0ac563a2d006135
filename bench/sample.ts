/** Secret of every read: nine fields, 0.9 KB of JSON. */
export const SECRET: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from({ length: 9 }, (_, index) => [`field${index}`, String(index).repeat(88)]),
);

/** A secret of one field with as many characters. */
export const ONE_FIELD: Readonly<Record<string, string>> = { field: '0'.repeat(9 * 88) };

export const SERVICE_ACCOUNT = { namespace: 'bench', name: 'web' } as const;
export const AUDIENCE = 'quaymaster-bench';
