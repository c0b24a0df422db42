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
{{- /* Argo CD: last in, first out. */ -}}
{{- if not (hasKey $annotations "argocd.argoproj.io/sync-wave") -}}
{{- $_ := set $annotations "argocd.argoproj.io/sync-wave" "10" -}}
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
  {{- with .Values.webhook.clientVerification }}
  {{- if .enabled }}
  clientVerification: {{ dict "enabled" true "caFile" "/client-ca/ca.crt" "subjects" .subjects | toJson }}
  {{- end }}
  {{- end }}
tls:
  mode: {{ ternary "selfSigned" "files" (eq .Values.tls.mode "selfSigned") }}
  secret: {{ include "peergate.tlsSecret" . | quote }}
  directory: /tls
metrics:
  port: {{ .Values.metrics.port }}
log: {{ .Values.log | toJson }}
{{- end }}

{{- /* The file of that name, from the annotation of the Pod that mounts it. */ -}}
{{- define "peergate.settingsVolume" -}}
downwardAPI:
  items:
    - path: settings.yaml
      fieldRef:
        fieldPath: metadata.annotations['peergate.dev/settings']
{{- end }}

{{- /* Of what a hook makes. Never the selector's labels: a Service must not lead to a hook's Pod. */ -}}
{{- define "peergate.hookLabels" -}}
app.kubernetes.io/name: {{ include "peergate.name" . }}-hook
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.global.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* (list root events weight): rights and accounts of a hook go with it, also where it failed. */ -}}
{{- define "peergate.hookAnnotations" -}}
helm.sh/hook: {{ index . 1 }}
helm.sh/hook-weight: {{ index . 2 | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
{{- end }}

{{- define "peergate.selfTestEvents" -}}
{{- if .Values.hooks.selfTest.enabled }}post-install,post-upgrade,test{{ else }}test{{ end -}}
{{- end }}

{{- define "peergate.uninstallName" -}}
{{ include "peergate.fullname" . }}-uninstall
{{- end }}

{{- define "peergate.selfTestName" -}}
{{ include "peergate.fullname" . }}-self-test
{{- end }}

{{- define "peergate.openName" -}}
{{ include "peergate.fullname" . }}-test-open
{{- end }}

{{- define "peergate.heldName" -}}
{{ include "peergate.fullname" . }}-test-held
{{- end }}

{{- /* (list root account arguments mounts-settings): the spec of a hook's Pod, which has the annotation then. */ -}}
{{- define "peergate.hookPod" -}}
{{- $root := index . 0 -}}
serviceAccountName: {{ index . 1 }}
automountServiceAccountToken: true
restartPolicy: Never
{{- with $root.Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
priorityClassName: {{ $root.Values.priorityClassName | quote }}
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
containers:
  - name: peergate
    image: {{ include "peergate.image" $root }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    args: {{ index . 2 | toJson }}
    # The last lines stand in the Pod's status as well.
    terminationMessagePolicy: FallbackToLogsOnError
    {{- with $root.Values.hooks.resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    {{- if index . 3 }}
    volumeMounts:
      - name: settings
        mountPath: /etc/peergate
        readOnly: true
    {{- end }}
{{- if index . 3 }}
volumes:
  - name: settings
    {{- include "peergate.settingsVolume" $root | nindent 4 }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
