import type { InputArguments, ItemOf, SuccessBody } from '../../client/contract-types.ts';

/** Lists that the reports read whole. */
type ListId =
  | 'listPolicies'
  | 'listDefinitions'
  | 'listSecrets'
  | 'listRotations'
  | 'listRoleBindings'
  | 'listOperators'
  | 'listPostureProfiles'
  | 'surveyPosture';
type ReadId =
  | ListId
  | 'searchAudit'
  | 'readCheckpoint'
  | 'replayPolicies'
  | 'listOperatorTokens'
  | 'listApprovals'
  | 'listBackups'
  | 'readStatus'
  | 'readKeys';

/** A refusal of the broker, in one line. */
export interface RefusedRead {
  readonly code: string;
  readonly text: string;
}

/** Answers of the broker, with the rights of the caller. The command line and the console have one each. */
export interface Source {
  readonly call: <Id extends ReadId>(
    id: Id,
    ...input: InputArguments<Id>
  ) => Promise<SuccessBody<Id>>;
  /** The refusal in a thrown error; undefined for any other error. */
  readonly refusalOf: (thrown: unknown) => RefusedRead | undefined;
  /** Shows what a long report does now. */
  readonly progress: (text: string) => void;
}

interface ListInput {
  readonly query?: object;
  readonly body?: unknown;
}

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next?: string;
}

/** All items of a list. */
export async function allItems<Id extends ListId>(
  { call }: Pick<Source, 'call'>,
  id: Id,
  { query, body }: ListInput = {},
): Promise<readonly ItemOf<Id>[]> {
  // The types of one list are known only where its id is.
  const read = call as unknown as (id: Id, input: object) => Promise<Page<ItemOf<Id>>>;
  const items: ItemOf<Id>[] = [];
  let after: string | undefined;
  do {
    const asked = { limit: 1000, ...query, ...(after !== undefined && { after }) };
    const page = await read(id, { query: asked, ...(body !== undefined && { body }) });
    items.push(...page.items);
    after = page.next;
  } while (after !== undefined);
  return items;
}
