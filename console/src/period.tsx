import type { JSX } from 'preact';

export const DAY_MS = 86_400_000;

/** Periods that end now, by their number of days. */
export const PERIODS = [
  ['1', 'the last day'],
  ['7', 'the last 7 days'],
  ['30', 'the last 30 days'],
  ['365', 'the last year'],
] as const;

/** Asks for a period of the log. */
export function Period({
  label,
  days,
  periods = PERIODS,
  isDisabled = false,
  onChange,
}: {
  readonly label: string;
  readonly days: string;
  readonly isDisabled?: boolean;
  readonly periods?: readonly (readonly [days: string, text: string])[];
  readonly onChange: (days: string) => void;
}): JSX.Element {
  return (
    <label>
      {label}
      <select
        value={days}
        disabled={isDisabled}
        onChange={(event) => onChange(event.currentTarget.value)}
      >
        {periods.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
