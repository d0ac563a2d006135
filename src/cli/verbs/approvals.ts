import type { components } from '../../client/index.ts';
import { confirm } from '../connection/confirm.ts';
import type { Call, CliContext } from '../connection/context.ts';
import { counted } from '../kernel/count.ts';
import { defined } from '../kernel/defined.ts';
import { printableJson } from '../output/printable.ts';
import { fields } from '../output/table.ts';
import { approvalText } from './approval-text.ts';

type Approval = components['schemas']['Approval'];

interface Decision {
  readonly reason?: string;
  readonly yes?: boolean;
}

export async function runApprovalShow(
  context: CliContext,
  { args: [id = ''] }: Call<object>,
): Promise<void> {
  const { body } = await (await context.broker()).call('readApproval', { path: { id } });
  await context.output.show(body, () => textOf(body, context.clock.now()));
}

/** Shows the change to approve before it asks. */
export async function runApprove(
  context: CliContext,
  { args: [id = ''], options: { reason, yes } }: Call<Decision>,
): Promise<void> {
  const client = await context.broker();
  const { body: pending } = await client.call('readApproval', { path: { id } });
  if (yes !== true) context.output.note(textOf(pending, context.clock.now()));
  await confirm(
    context,
    (url) => `Approve ${approvalText(pending)} for ${pending.requester} at ${url}`,
    yes,
  );
  const body = defined({ reason });
  const { body: approved } = await client.call('approveRequest', { path: { id }, body });
  const next =
    approved.change === undefined
      ? `${approved.requester} has the role until ${approved.endsAt}`
      : `${approved.requester} must repeat the command before ${approved.endsAt}`;
  await context.output.show(approved, () => `approved ${id}: ${next}`);
}

/** Shows what was written under an elevation, and keeps it. */
export async function runConfirm(
  context: CliContext,
  { args: [id = ''], options: { reason, yes } }: Call<Decision>,
): Promise<void> {
  const client = await context.broker();
  const { body: shown } = await client.call('readApproval', { path: { id } });
  const documents = (shown.documents ?? []).map(({ kind, name, version }) => ({
    kind,
    name,
    version,
  }));
  if (documents.length === 0) {
    context.output.note(`nothing that was written under ${id} waits for a confirmation`);
    return;
  }
  if (yes !== true) context.output.note(textOf(shown, context.clock.now()));
  await confirm(context, (url) => `Keep ${counted(documents.length, 'document')} at ${url}`, yes);
  const body = {
    documents,
    ...defined({ reason }),
  } as components['schemas']['DocumentConfirmation'];
  await client.call('confirmDocuments', { path: { id }, body });
  await context.output.show(
    { documents },
    () => `confirmed ${counted(documents.length, 'document')}`,
  );
}

export async function runRequire(
  context: CliContext,
  { args, options: { yes } }: Call<{ readonly yes?: boolean }>,
): Promise<void> {
  const required =
    args.join() === 'off' ? [] : args.map((word) => (word === 'on' ? 'admin' : word));
  const grants = required.join(', ');
  const what =
    required.length === 0
      ? 'End the need for approvals'
      : `Make an approval necessary for ${grants}`;
  await confirm(context, (url) => `${what} at ${url}`, yes);
  const rule = { required } as components['schemas']['ApprovalRule'];
  const { body } = await (await context.broker()).call('requireApprovals', { body: rule });
  await context.output.show(body, () =>
    required.length === 0
      ? 'no grant needs an approval'
      : `these grants need an approval: ${grants}`,
  );
}

interface Wish {
  readonly role: string;
  readonly scope?: readonly string[];
  readonly for: string;
  readonly reason: string;
  readonly yes?: boolean;
}

export async function runBreakGlass(
  context: CliContext,
  { options: { role, scope = [], for: duration, reason, yes } }: Call<Wish>,
): Promise<void> {
  const where = scope.length === 0 ? 'all paths' : scope.join(', ');
  await confirm(context, (url) => `Request ${role} for ${where}, ${duration}, at ${url}`, yes);
  const wish = { role, scope: [...scope], duration, reason };
  const { body } = await (
    await context.broker()
  ).call('requestBreakGlass', { body: wish as components['schemas']['BreakGlassWish'] });
  await context.output.show(
    body,
    () =>
      `requested ${body.id}; ask another admin to run: quaymaster approval approve ${body.id}\nit expires ${body.endsAt}`,
  );
}

function textOf(approval: Approval, now: number): string {
  const { id, state, requester, approvedBy, change, elevation, createdAt, endsAt } = approval;
  const { documents = [] } = approval;
  const rows: (readonly [string, unknown])[] = [
    ['id', id],
    ['state', state],
    ['requester', requester],
    ['wanted', approvalText(approval)],
    ...(elevation === undefined ? [] : ([['reason', elevation.reason]] as const)),
    ...(approvedBy === undefined ? [] : ([['approved by', approvedBy]] as const)),
    ['requested', createdAt],
    ['expires', endsAt],
  ];
  const text = fields([...rows, ...documents.map(documentRow)], now);
  return change === undefined ? text : `${text}\n${printableJson(change.body, 2)}`;
}

function documentRow({
  kind,
  name,
  version,
  atEnd,
}: NonNullable<Approval['documents']>[number]): readonly [string, unknown] {
  return ['wrote', `${kind} ${name}, version ${version}: ${atEnd} when it ends`];
}
