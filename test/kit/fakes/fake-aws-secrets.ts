import { randomUUID } from 'node:crypto';

export type AwsBody = Readonly<Record<string, unknown>>;

interface Version {
  readonly id: string;
  readonly value: AwsBody;
  readonly createdAt: number;
}
interface Secret {
  readonly name: string;
  readonly versions: Map<string, Version>;
  /** Stage to version id. */
  readonly stages: Map<string, string>;
  deleted: boolean;
}
interface Answer {
  readonly status: number;
  readonly body: string;
}
class Fault extends Error {}

const MISSING = 'ResourceNotFoundException';
const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** The state behind the fake: names, versions and stages, as in the service. */
export class FakeAwsSecrets {
  readonly #secrets = new Map<string, Secret>();

  call(operation: string, body: AwsBody): Answer {
    try {
      return { status: 200, body: JSON.stringify(this.#perform(operation, body)) };
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return { status: 400, body: JSON.stringify({ __type: error.message, Message: 'no' }) };
    }
  }

  #perform(operation: string, body: AwsBody): object {
    switch (operation) {
      case 'CreateSecret':
        return this.#create(body);
      case 'PutSecretValue':
        return this.#putValue(this.#find(body), body);
      case 'UpdateSecretVersionStage':
        return this.#moveStage(this.#find(body), body);
      case 'DeleteSecret':
        return Object.assign(this.#find(body), { deleted: true });
      case 'GetSecretValue':
        return this.#value(this.#find(body), body);
      case 'BatchGetSecretValue':
        return this.#values(body);
      case 'ListSecrets':
        return this.#list(body);
      default:
        throw new Fault('UnknownOperationException');
    }
  }

  #create(body: AwsBody): object {
    const name = text(body['Name']);
    if (this.#secrets.has(name)) throw new Fault('ResourceExistsException');
    const secret: Secret = { name, versions: new Map(), stages: new Map(), deleted: false };
    this.#secrets.set(name, secret);
    return this.#putValue(secret, body);
  }

  #putValue(secret: Secret, { SecretString, SecretBinary }: AwsBody): object {
    const id = randomUUID();
    const value = {
      ...(SecretString !== undefined && { SecretString }),
      ...(SecretBinary !== undefined && { SecretBinary }),
    };
    secret.versions.set(id, { id, value, createdAt: Date.now() / 1000 });
    const before = secret.stages.get('AWSCURRENT');
    if (before !== undefined) secret.stages.set('AWSPREVIOUS', before);
    secret.stages.set('AWSCURRENT', id);
    return { Name: secret.name, VersionId: id };
  }

  #moveStage(secret: Secret, body: AwsBody): object {
    const stage = text(body['VersionStage']);
    if (stage === 'AWSCURRENT') secret.stages.set('AWSPREVIOUS', secret.stages.get(stage) ?? '');
    secret.stages.set(stage, text(body['MoveToVersionId']));
    return { Name: secret.name };
  }

  #find(body: AwsBody): Secret {
    const secret = this.#secrets.get(text(body['SecretId']));
    if (secret === undefined) throw new Fault(MISSING);
    return secret;
  }

  #value(secret: Secret, body: AwsBody): object {
    if (secret.deleted) throw new Fault('InvalidRequestException');
    const stage =
      body['VersionId'] === undefined ? (body['VersionStage'] ?? 'AWSCURRENT') : undefined;
    const id = stage === undefined ? text(body['VersionId']) : secret.stages.get(text(stage));
    const version = secret.versions.get(id ?? '');
    if (version === undefined) throw new Fault(MISSING);
    const stages = [...secret.stages].filter(([, at]) => at === version.id).map(([name]) => name);
    return {
      Name: secret.name,
      VersionId: version.id,
      VersionStages: stages,
      CreatedDate: version.createdAt,
      ...version.value,
    };
  }

  #values(body: AwsBody): object {
    const values: object[] = [];
    const errors: object[] = [];
    for (const name of body['SecretIdList'] as readonly string[]) {
      try {
        values.push(this.#value(this.#find({ SecretId: name }), {}));
      } catch (error) {
        errors.push({ SecretId: name, ErrorCode: (error as Fault).message, Message: 'no' });
      }
    }
    return { SecretValues: values, Errors: errors };
  }

  #list(body: AwsBody): object {
    const [filter] = (body['Filters'] ?? []) as readonly { readonly Values: readonly string[] }[];
    const prefix = filter?.Values[0] ?? '';
    const all = [...this.#secrets.values()].filter(
      ({ name, deleted }) => !deleted && name.startsWith(prefix),
    );
    if (body['SortBy'] === 'name') all.sort((left, right) => (left.name < right.name ? -1 : 1));
    const start = Number(body['NextToken'] ?? 0);
    const end = start + Number(body['MaxResults'] ?? 100);
    const list = all
      .slice(start, end)
      .map((secret) => ({ Name: secret.name, SecretVersionsToStages: stagesOf(secret) }));
    return { SecretList: list, ...(end < all.length && { NextToken: String(end) }) };
  }
}

function stagesOf(secret: Secret): Record<string, string[]> {
  const stages: Record<string, string[]> = {};
  for (const [stage, id] of secret.stages) (stages[id] ??= []).push(stage);
  return stages;
}
