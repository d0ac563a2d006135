/** What this room tells the operator. No token, claim value or upstream text goes in: those are a caller's. */
export interface AuthLog {
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}
