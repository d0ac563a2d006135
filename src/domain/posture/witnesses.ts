import { glob } from '../words/glob.ts';
import { isForAllImages, type Evidence, type EvidenceOf } from './evidence.ts';

/** Writers, scanners and authors whose word about images a profile takes. */
export interface WitnessSpec {
  /** Names of the scanners whose reports count; empty: all. */
  readonly scanners: readonly string[];
  /** Patterns of the writers whose reports count; empty: all. The watch of a cluster is the writer `watch:<cluster>`. */
  readonly writers: readonly string[];
  readonly vex: {
    /** Patterns of the writers whose VEX counts; empty: those that may speak about all images. */
    readonly writers: readonly string[];
    /** Authors that the documents name; empty: all. */
    readonly authors: readonly string[];
  };
}

/** The witnesses of a profile, with their patterns compiled. */
export interface Witnesses {
  /** The reports and VEX documents that count. */
  counting(evidenceOf: EvidenceOf): EvidenceOf;
  /** The evidence that proves two digests to be one image, so that one of them stands for both. A team could claim that of any two. */
  linking(evidenceOf: EvidenceOf): EvidenceOf;
}

export function compileWitnesses({ scanners, writers, vex }: WitnessSpec): Witnesses {
  const isNamed = anyOf(writers);
  const isNamedForVex = anyOf(vex.writers);
  const counts = (each: Evidence): boolean => {
    if (each.kind !== 'vex') return isIn(scanners, each.scanner) && (isNamed?.(each) ?? true);
    return (isNamedForVex ?? isForAllImages)(each) && isIn(vex.authors, each.scanner);
  };
  const links = (each: Evidence): boolean =>
    each.kind !== 'vex' && isIn(scanners, each.scanner) && (isNamed ?? isForAllImages)(each);
  return {
    counting: (evidenceOf) => (digest) => evidenceOf(digest).filter(counts),
    linking: (evidenceOf) => (digest) => evidenceOf(digest).filter(links),
  };
}

/** An empty list includes every name. */
function isIn(names: readonly string[], name: string): boolean {
  return names.length === 0 || names.includes(name);
}

/** Undefined for an empty list. */
function anyOf(
  patterns: readonly string[],
): ((evidence: Pick<Evidence, 'writer' | 'scope'>) => boolean) | undefined {
  if (patterns.length === 0) return undefined;
  const globs = patterns.map(glob);
  return ({ writer }) => globs.some((matches) => matches(writer));
}
