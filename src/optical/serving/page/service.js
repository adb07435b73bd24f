// The questions that the page asks the service.

const KEY = "optical-key";
let key = stored();

function stored() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null; // storage is forbidden
  }
}

export function useKey(given) {
  key = given;
  try {
    sessionStorage.setItem(KEY, given);
  } catch {
    // then it holds until the page is left
  }
}

export function hasKey() {
  return Boolean(key);
}

// Why there is no answer: the status (0: none came), and the service's own message, in English.
export class Refusal extends Error {
  constructor(status, message = "") {
    super(message);
    this.status = status;
  }
}

// Return the answer to GET `path`, or to POST if there is a body.
export async function ask(path, body, signal) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  // A key has no letter that this changes; of anything else it makes what a header may hold.
  if (key) headers.Authorization = `Bearer ${encodeURIComponent(key)}`;
  let response;
  try {
    response = await fetch(path, {
      method: body ? "POST" : "GET",
      headers,
      body: body && JSON.stringify(body),
      signal,
      cache: "no-store",
    });
  } catch (error) {
    throw error.name === "AbortError" ? error : new Refusal(0);
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(response.status, answer.error);
  return answer;
}
