import { BrokerError } from '../../domain/errors.ts';

/** Entries `[first, end)` of the log that cannot be returned, and the reason. */
export interface Damage {
  readonly first: number;
  readonly end: number;
  /**
   * `missing`: the store lacks the entry. `altered`: it has another entry. `unproven`: neither tile nor entries hash to the signed root.
   */
  readonly why: 'missing' | 'altered' | 'unproven';
}

const WORDS = {
  missing: 'not in the store',
  altered: 'not what was recorded',
  unproven: 'not what the checkpoint signs, and the tile of its hashes is not either',
} as const satisfies Record<Damage['why'], string>;

export function damageText({ first, end, why }: Damage): string {
  const place = end - first === 1 ? `entry ${first} is` : `entries ${first} to ${end - 1} are`;
  return `${place} ${WORDS[why]}`;
}

/** The requested entries are damaged. The error names the place, never the forged content. */
export class DamagedLog extends BrokerError {
  readonly damage: Damage;

  constructor(damage: Damage) {
    super('ERR_CIPHERTEXT_INVALID', `the audit log is damaged: ${damageText(damage)}`, {
      reason: 'log_damaged',
      isDetailShown: true,
    });
    this.damage = damage;
  }
}

/** Adds one damaged entry; neighbours with the same reason become one range. */
export function addDamage(ranges: Damage[], index: number, why: Damage['why']): void {
  const last = ranges.at(-1);
  if (last?.end === index && last.why === why)
    ranges[ranges.length - 1] = { ...last, end: index + 1 };
  else ranges.push({ first: index, end: index + 1, why });
}
