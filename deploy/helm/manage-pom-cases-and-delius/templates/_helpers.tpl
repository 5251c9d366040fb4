{{/* Name and labels, as the generic-service chart gives them to its pods. */}}
{{- define "pom.name" -}}
{{ index .Values "generic-service" "nameOverride" }}
{{- end -}}

{{- define "pom.selector" -}}
app: {{ include "pom.name" . }}
release: {{ .Release.Name }}
{{- end -}}

{{- define "pom.labels" -}}
app.kubernetes.io/name: {{ include "pom.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "pom.image" -}}
{{- $image := index .Values "generic-service" "image" -}}
{{ $image.repository }}:{{ $image.tag }}
{{- end -}}

{{/* The variables of the service for a container beside it: secrets, then plain ones. Takes the root context. */}}
{{- define "pom.env" -}}
{{- $service := index .Values "generic-service" -}}
{{- range $secret, $variables := $service.namespace_secrets }}
{{- range $name, $key := $variables }}
- name: {{ $name }}
  valueFrom:
    secretKeyRef: { name: {{ $secret }}, key: {{ trimSuffix "?" $key }}, optional: {{ hasSuffix "?" $key }} }
{{- end }}
{{- end }}
{{- range $name, $value := $service.env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* What every pod of ours has beside its container. Takes the root context. */}}
{{- define "pom.pod" -}}
{{- $service := index .Values "generic-service" -}}
serviceAccountName: {{ $service.serviceAccountName }}
restartPolicy: Never
securityContext: {{ toYaml $service.podSecurityContext | nindent 2 }}
{{- end -}}
