/** The judgement and the words of the broker, for the console. */
export {
  haveOneOf,
  neededRoles,
  NEEDS_BOTH,
  OWN_REQUEST,
  type Extent,
} from '../../domain/identity/needed-roles.ts';
