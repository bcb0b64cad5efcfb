// The form that asks for an API key where the server wants one; kept until this tab is closed.

import {key} from "./api.js";
import {byId} from "./dom.js";

export function askForKey(then) {
  const form = byId("key-form"), field = byId("key");
  form.hidden = false;
  field.focus();
  form.onsubmit = (event) => {
    event.preventDefault();
    key.set(field.value.trim());
    field.value = "";
    form.hidden = true;
    then();
  };
}
