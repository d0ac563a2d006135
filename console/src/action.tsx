import { useRef, useState } from 'preact/hooks';
import type { ComponentChildren, JSX } from 'preact';
import type { Extent } from '../../src/cli/reports/rights.ts';
import { Refusal, type OperationId } from './client.ts';
import { Field } from './fields.tsx';
import { reload } from './load.ts';
import { Command, Problem } from './parts.tsx';
import { Permitted } from './rights.tsx';
import { isStepUp, StepUp } from './step-up.tsx';

interface ActionProps {
  /** The operation that the action performs, and where it needs its role: everywhere by default. */
  readonly operation: OperationId;
  readonly extent?: Extent;
  /** Another reason for which the broker would refuse. */
  readonly refusal?: string | undefined;
  /** The words of the button, and the title of its dialog. */
  readonly label: string;
  /** What the action concerns, if a page has several buttons with the label. */
  readonly subject?: string;
  readonly isDangerous?: boolean;
  /** What will happen, with names and counts. */
  readonly explanation: ComponentChildren;
  /** The field for a reason; required for most actions. */
  readonly reason?: 'required' | 'optional';
  /** Fields besides the reason; the view that owns the action keeps their state. */
  readonly fields?: ComponentChildren;
  readonly command: (reason: string) => readonly string[];
  /** Runs the action; `attempt` is the same for all tries from one opening of the dialog, for operations that take an idempotency key. */
  readonly run: (reason: string, attempt: string) => Promise<unknown>;
}

/** A button whose dialog says what happens before it happens. If the broker refuses, the dialog keeps what was typed; if it needs a recent login, the person confirms in the dialog. */
export function Action(props: ActionProps): JSX.Element {
  const {
    operation,
    extent,
    refusal,
    label,
    subject,
    isDangerous = false,
    explanation,
    reason: need,
    fields,
    command,
    run,
  } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const attempt = useRef('');
  const [reason, setReason] = useState('');
  const [error, setError] = useState<Refusal>();
  const [isRunning, setRunning] = useState(false);
  const submit = async (): Promise<void> => {
    const { current: own } = attempt;
    setRunning(true);
    setError(undefined);
    try {
      await run(reason, own);
      reload();
      if (attempt.current === own) {
        dialog.current?.close();
        setReason('');
      }
    } catch (thrown) {
      if (attempt.current === own) setError(Refusal.from(thrown, String(thrown)));
    }
    setRunning(false);
  };
  const title = subject === undefined ? label : `${label} ${subject}`;
  const id = `action-${title.toLowerCase().replaceAll(/\W+/g, '-')}`;
  return (
    <>
      <Permitted
        operation={operation}
        extent={extent}
        refusal={refusal}
        isDangerous={isDangerous}
        onClick={() => {
          attempt.current = crypto.randomUUID();
          setError(undefined);
          dialog.current?.showModal();
        }}
      >
        {label}
        {subject !== undefined && <span class="unseen"> {subject}</span>}
      </Permitted>
      <dialog ref={dialog} aria-labelledby={id}>
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void submit();
          }}
        >
          <h2 id={id}>{title}</h2>
          <div class="prose">{explanation}</div>
          {fields}
          {need !== undefined && (
            <Field
              label={need === 'optional' ? 'Reason (optional)' : 'Reason'}
              maxLength={1024}
              required={need === 'required'}
              value={reason}
              onInput={setReason}
            />
          )}
          <Command words={command(reason === '' ? 'REASON' : reason)} />
          {error !== undefined &&
            (isStepUp(error) ? (
              <StepUp error={error} onConfirmed={() => void submit()} />
            ) : (
              <Problem error={error} />
            ))}
          <footer>
            <button type="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
            <button class={isDangerous ? 'danger primary' : 'primary'} disabled={isRunning}>
              {isRunning ? 'Working…' : label}
            </button>
          </footer>
        </form>
      </dialog>
    </>
  );
}
