import type { ComponentChildren, JSX } from 'preact';

interface FieldProps {
  readonly label: ComponentChildren;
  readonly value: string;
  readonly onInput: (text: string) => void;
  readonly placeholder?: string | undefined;
  readonly required?: boolean;
  readonly pattern?: string;
  readonly maxLength?: number;
}

/** A line of text with its label. The browser neither completes nor corrects it. */
export function Field({ label, onInput, ...input }: FieldProps): JSX.Element {
  return (
    <label>
      {label}
      <input
        autocomplete="off"
        spellcheck={false}
        {...input}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
    </label>
  );
}

interface ChoiceProps<Value extends string> {
  readonly label: string;
  readonly value: Value;
  readonly options: readonly (readonly [value: Value, text: string])[];
  readonly isDisabled?: boolean;
  readonly onChange: (value: Value) => void;
}

/** One of some values, with its label. */
export function Choice<Value extends string>({
  label,
  value,
  options,
  isDisabled = false,
  onChange,
}: ChoiceProps<Value>): JSX.Element {
  return (
    <label>
      {label}
      <select
        value={value}
        disabled={isDisabled}
        onChange={(event) => onChange(event.currentTarget.value as Value)}
      >
        {options.map(([each, text]) => (
          <option key={each} value={each}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}
