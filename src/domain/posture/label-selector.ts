export type Labels = ReadonlyMap<string, string>;

/** A label selector of Kubernetes: all of its requirements must hold, and one without any selects everything. */
export interface LabelSelector {
  readonly requirements: readonly Requirement[];
}

export interface Requirement {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

export function selects({ requirements }: LabelSelector, labels: Labels): boolean {
  return requirements.every((each) => holds(each, labels.get(each.key)));
}

/** `NotIn` holds without the label, as in Kubernetes. */
function holds({ operator, values }: Requirement, label: string | undefined): boolean {
  switch (operator) {
    case 'In':
      return label !== undefined && values.includes(label);
    case 'NotIn':
      return label === undefined || !values.includes(label);
    case 'Exists':
      return label !== undefined;
    case 'DoesNotExist':
      return label === undefined;
  }
}
