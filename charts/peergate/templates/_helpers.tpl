{{- define "peergate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "peergate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "peergate.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "peergate.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "peergate.namespace" -}}
{{- default .Release.Namespace .Values.namespaceOverride -}}
{{- end }}

{{- define "peergate.serviceAccountName" -}}
{{- default (include "peergate.fullname" .) .Values.serviceAccount.name -}}
{{- end }}

{{- define "peergate.username" -}}
{{- printf "system:serviceaccount:%s:%s" (include "peergate.namespace" .) (include "peergate.serviceAccountName" .) -}}
{{- end }}

{{- define "peergate.selectorLabels" -}}
app.kubernetes.io/name: {{ include "peergate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "peergate.labels" -}}
{{ include "peergate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.global.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "peergate.image" -}}
{{- $registry := default .Values.image.registry .Values.global.imageRegistry -}}
{{- $name := ternary (printf "%s/%s" $registry .Values.image.repository) .Values.image.repository (ne $registry "") -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" $name .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" $name (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end }}

{{- /* Name of the Secret with the serving certificate, whoever makes it. */ -}}
{{- define "peergate.tlsSecret" -}}
{{- if eq .Values.tls.mode "existingSecret" -}}
{{- .Values.tls.existingSecret -}}
{{- else -}}
{{- include "peergate.fullname" . }}-tls
{{- end -}}
{{- end }}

{{- /* The globs of agents.usernames as anchored RE2 patterns: as peergate.control.webhookconfig writes them. */ -}}
{{- define "peergate.usernamePatterns" -}}
{{- $patterns := list -}}
{{- range .Values.agents.usernames -}}
{{- $quoted := regexReplaceAll "([\\\\.+?()|\\[\\]{}^$])" . "\\${1}" -}}
{{- $patterns = append $patterns (printf "(?s)^%s$" (replace "*" ".*" $quoted)) -}}
{{- end -}}
{{- $patterns | toJson -}}
{{- end }}

{{- /* How the API server reaches one gate; the CA bundle is put in by the operator, by cert-manager, or here. */ -}}
{{- define "peergate.clientConfig" -}}
{{- $root := index . 0 -}}
{{- $service := dict "namespace" (include "peergate.namespace" $root) "name" (include "peergate.fullname" $root) "path" (printf "/gates/%s" (index . 1)) "port" 443 -}}
{{- $config := dict "service" $service -}}
{{- if and (eq $root.Values.tls.mode "existingSecret") $root.Values.tls.caBundle -}}
{{- $_ := set $config "caBundle" $root.Values.tls.caBundle -}}
{{- end -}}
{{- $config | toJson -}}
{{- end }}

{{- define "peergate.webhookAnnotations" -}}
{{- $annotations := deepCopy .Values.webhook.annotations -}}
{{- if eq .Values.tls.mode "certManager" -}}
{{- $_ := set $annotations "cert-manager.io/inject-ca-from" (printf "%s/%s" (include "peergate.namespace" .) (include "peergate.fullname" .)) -}}
{{- end -}}
{{- with $annotations -}}
annotations:
{{ toYaml . | indent 2 }}
{{- end -}}
{{- end }}

{{- /* What the operator reads with --config. */ -}}
{{- define "peergate.settings" -}}
namespace: {{ include "peergate.namespace" . | quote }}
serviceAccount: {{ include "peergate.serviceAccountName" . | quote }}
service: {{ include "peergate.fullname" . | quote }}
agents: {{ .Values.agents | toJson }}
approvals: {{ .Values.approvals | toJson }}
labels: {{ .Values.labels | toJson }}
limits: {{ .Values.limits | toJson }}
changeRequests: {{ .Values.changeRequests | toJson }}
webhook:
  port: {{ .Values.webhook.port }}
  timeoutSeconds: {{ .Values.webhook.timeoutSeconds }}
  configuration: {{ include "peergate.fullname" . | quote }}
tls:
  mode: {{ ternary "selfSigned" "files" (eq .Values.tls.mode "selfSigned") }}
  secret: {{ include "peergate.tlsSecret" . | quote }}
  directory: /tls
metrics:
  port: {{ .Values.metrics.port }}
log: {{ .Values.log | toJson }}
{{- end }}
