import type { ClusterSpec } from '../../domain/identity/cluster.ts';
import type { DefinitionSpec } from '../../domain/secrets/definition.ts';
import type { MountSpec } from '../../domain/secrets/mount.ts';
import type { AccessPolicy } from '../../domain/policy/index.ts';
import type { ResponseRuleSpec } from '../../domain/alerts/response-rule.ts';
import type { PostureProfileSpec } from '../../domain/posture/profile.ts';
import type { RoleBindingSpec } from '../../domain/policy/role-binding.ts';
import type { OperatorSpec } from '../../domain/identity/principal.ts';

/** The content of each kind of document. */
export interface DocumentSpecs {
  cluster: ClusterSpec;
  mount: MountSpec;
  policy: AccessPolicy;
  definition: DefinitionSpec;
  operator: OperatorSpec;
  'role-binding': RoleBindingSpec;
  'posture-profile': PostureProfileSpec;
  'response-rule': ResponseRuleSpec;
}
export type DocumentKind = keyof DocumentSpecs;
