{{- define "wfm-gateway.name" -}}
{{- printf "%s" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "wfm-gateway.selector" -}}
app.kubernetes.io/name: wfm-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "wfm-gateway.labels" -}}
{{ include "wfm-gateway.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* What cannot work is refused here and not by the pods. */ -}}
{{- define "wfm-gateway.check" -}}
{{- if and (hasPrefix "embedded:" .Values.store.url) (gt (int .Values.replicas) 1) -}}
{{- fail "store.url: an embedded store belongs to one replica; give all replicas one server, or set replicas to 1" -}}
{{- end -}}
{{- if and (hasPrefix "embedded:" .Values.store.url) (not .Values.persistence.enabled) -}}
{{- fail "store.url: an embedded store without persistence.enabled forgets every device with its pod" -}}
{{- end -}}
{{- if and (hasPrefix "redis" .Values.store.url) (not (hasPrefix "rediss" .Values.store.url)) (not .Values.store.acceptPlain) -}}
{{- fail "store.url: plain redis can be read and forged on the way; use rediss://, or set store.acceptPlain" -}}
{{- end -}}
{{- end -}}
